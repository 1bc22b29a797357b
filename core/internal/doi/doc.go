// Package doi is RFC 2407 and appendix A of RFC 2409 put to work: it turns policy
// into the offers we send, chooses among the offers a peer sends, and decides
// whether an answer is one of those we offered. It is pure arithmetic over
// values; it does not know exchanges, keys or who is asking.
//
//	offer := doi.OfferISAKMP(remote)                      // we begin
//	choice, err := doi.CheckISAKMP(offer, answer, remote)
//	choice, err := doi.ChooseISAKMP(theirs, candidates)   // they begin
//
// Values of a peer may differ from ours as far as proposal_check allows
// (racoon.conf(5); the levels are functions in check.go). Where nothing fits the
// error is a *Mismatch: a sentence naming the offer that came closest and the
// field in which it differs.
package doi
