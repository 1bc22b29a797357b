package pfkey

// openbsd is there to be refused: its PF_KEY has flows where the others have
// policies (SADB_X_ADDFLOW), and other numbers for nearly everything.
func openbsd() System {
	return System{
		Name: "openbsd", Domain: 30,
		Refuse: "PF_KEY of OpenBSD has flows instead of policies, which kernel-pfkey does not speak; use OpenBSD's isakmpd for IKEv1 there",
	}
}
