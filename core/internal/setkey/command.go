package setkey

import (
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// Verb is what a command does.
type Verb uint8

const (
	Add Verb = iota + 1
	GetSPI
	Get
	Delete
	DeleteAll
	Flush
	Dump
	SPDAdd
	SPDUpdate
	SPDDelete
	SPDFlush
	SPDDump
)

var verbs = map[string]Verb{
	"add": Add, "getspi": GetSPI, "get": Get, "delete": Delete, "deleteall": DeleteAll, "flush": Flush, "dump": Dump,
	"spdadd": SPDAdd, "spdupdate": SPDUpdate, "spddelete": SPDDelete, "spdflush": SPDFlush, "spddump": SPDDump,
}

// Command is one command as it is written.
type Command struct {
	Pos
	Verb     Verb
	Family   kernel.Family // -4, -6; 0: both
	Numeric  bool          // -n: no names
	Proto    Proto         // of SAs
	SA       *SA           // add, getspi, get, delete, deleteall
	Policy   *Policy       // spdadd, spdupdate, spddelete
	Warnings []string      // accepted, but not what it seems
}

// Proto is the protocol of an SA.
type Proto struct {
	Number uint8 // 50, 51, 108; 0: all (flush, dump)
	UDP    bool  // esp-udp
}

// End is an address or a name, with a port.
type End struct {
	Host   string
	Prefix int    // length, -1: not given
	Port   string // number or name of a service; "": not given
}

// SA is what a command says of an SA.
type SA struct {
	Src, Dst End
	Original string // address of esp-udp, "": none
	SPI      uint32
	Mode     uint8 // 0: any
	ReqID    uint32
	Window   uint32
	Life     kernel.Lifetime
	Label    string
	Encr     *kernel.AlgKey
	Auth     *kernel.AlgKey
	Comp     uint16
}

// Policy is what a command says of a policy.
type Policy struct {
	Src, Dst End
	Upper    string // number, name or any
	Misc     string // "8,0" of ICMP, a dotted quad of GRE
	Label    string
	Rule     Rule
}

// Rule is the text behind -P. Of spddelete it may be a direction only.
type Rule struct {
	Dir       kernel.Direction
	Priority  int32 // of kernel.Policy: 0 is the default, smaller is earlier
	Action    uint8 // 0: none written
	Templates []kernel.Template
}
