package config

import "slices"

// near are the sections around each one, nearest first: where a word that is wrong
// here most likely belongs.
var near = map[section][]section{
	inProposal: {inRemote, inSAInfo},
	inRemote:   {inProposal, inSAInfo},
	inSAInfo:   {inProposal, inRemote},
}

// elsewhere says where a word belongs that the section does not know, "" if nowhere.
func (l *language) elsewhere(name string, in section) string {
	return l.nearest(in, name, func(s section) bool {
		return slices.ContainsFunc(l.rows[s][name], func(d *directive) bool { return d.state != refused })
	})
}

// hclElsewhere is elsewhere for HCL.
func (l *language) hclElsewhere(name string, in section) string {
	return l.nearest(in, name, func(s section) bool { return l.hcl[s][name] != nil || l.hclGroup(s, name) })
}

func (l *language) nearest(in section, name string, knows func(section) bool) string {
	if in == inRemote && name == "identifier" {
		return "write my_identifier or peers_identifier"
	}
	order := slices.Clone(near[in])
	for s := range sections {
		order = append(order, s)
	}
	for _, s := range order {
		if s != in && knows(s) {
			return "it belongs into " + s.String()
		}
	}
	return ""
}
