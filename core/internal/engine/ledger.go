package engine

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"sync"

	"github.com/racoon-ike/racoon/core/internal/ike"
	"github.com/racoon-ike/racoon/core/internal/spd"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// ledgerKey is an SA.
type ledgerKey struct {
	ike.SAKey
	where // not in the file
}

// where is what the kernel may want to know besides for finding an SA.
type where struct {
	src  netip.Addr
	mark spd.Mark
}

func keyOf(s ike.KernelSA) ledgerKey { return ledgerKey{s.Key(), where{s.Src, s.Mark}} }

// kernel is the SA's name in the contract.
func (k ledgerKey) kernel() kernel.Key {
	return kernel.Key{Src: k.src, Dst: k.Dst, SPI: k.SPI, Proto: k.Proto, Mark: kernelMark(k.mark)}
}

// whereIs is where in the kernel an SA of a dump is.
func whereIs(k kernel.Key) where { return where{k.Src, spdMark(k.Mark)} }

// ledger is the file that says which SAs and generated policies in the kernel are
// ours, so that a racoon that was killed can clean up, and nobody else's is ever
// touched. A line is "+" or "-" and the SA, "+p" or "-p" and the policy; there are no
// keys in it. An SA is entered before the kernel hears of it, and struck off once it
// is surely gone. The file outlives the process, not the machine: nothing is flushed
// to disk.
type ledger struct {
	mu    sync.Mutex
	path  string // "": in memory only
	file  *os.File
	sas   map[ike.SAKey]bool
	spd   map[spd.Key]uint32 // generated policies and their request IDs
	lines int
	torn  bool // the file lacks something, or ends within a line
}

// openLedger reads what an earlier process left. A last line that was cut off is
// ignored: the kernel had not been asked yet.
func openLedger(path string) (*ledger, error) {
	l := &ledger{path: path, sas: map[ike.SAKey]bool{}, spd: map[spd.Key]uint32{}}
	if path == "" {
		return l, nil
	}
	old, err := os.Open(path)
	if err == nil {
		err = l.read(old)
		old.Close()
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the ledger of SAs: %w", err)
	}
	if err := l.compact(); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *ledger) read(f *os.File) error {
	s := bufio.NewScanner(f)
	for s.Scan() {
		sign, rest, _ := strings.Cut(s.Text(), " ")
		if kind, isPolicy := strings.CutSuffix(sign, "p"); isPolicy {
			l.readPolicy(kind, rest)
			continue
		}
		k, ok := parseSAKey(rest)
		switch {
		case ok && sign == "+":
			l.sas[k] = true
		case ok && sign == "-":
			delete(l.sas, k)
		}
	}
	return s.Err()
}

func formatSAKey(k ike.SAKey) string { return fmt.Sprintf("%v %d 0x%08x", k.Dst, k.Proto, k.SPI) }

func parseSAKey(s string) (k ike.SAKey, ok bool) {
	var dst string
	if n, err := fmt.Sscanf(s, "%s %d 0x%08x", &dst, &k.Proto, &k.SPI); n != 3 || err != nil {
		return k, false
	}
	var err error
	k.Dst, err = netip.ParseAddr(dst)
	return k, err == nil && s == formatSAKey(k)
}

func (l *ledger) add(ks []ledgerKey) error    { return l.write("+", ks) }
func (l *ledger) remove(ks []ledgerKey) error { return l.write("-", ks) }

func (l *ledger) write(sign string, ks []ledgerKey) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	for _, k := range ks {
		if l.sas[k.SAKey] == (sign == "+") {
			continue
		}
		if sign == "+" {
			l.sas[k.SAKey] = true
		} else {
			delete(l.sas, k.SAKey)
		}
		l.lines++
		b.WriteString(sign + " " + formatSAKey(k.SAKey) + "\n")
	}
	return l.append(b.String())
}

// append writes lines behind the others; l.mu is held.
func (l *ledger) append(lines string) error {
	if lines == "" && !l.torn || l.path == "" {
		return nil
	}
	if l.torn || l.lines > 1024+2*(len(l.sas)+len(l.spd)) {
		return l.compact()
	}
	if _, err := l.file.WriteString(lines); err != nil {
		l.torn = true
		return fmt.Errorf("write the ledger of SAs: %w", err)
	}
	return nil
}

// compact writes the file anew.
func (l *ledger) compact() error {
	l.torn = true
	f, err := os.OpenFile(l.path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("write the ledger of SAs: %w", err)
	}
	w := bufio.NewWriter(f)
	for k := range l.sas {
		w.WriteString("+ " + formatSAKey(k) + "\n")
	}
	for k, id := range l.spd {
		w.WriteString("+p " + formatPolicy(k, id) + "\n")
	}
	if err := errors.Join(w.Flush(), os.Rename(l.path+".new", l.path)); err != nil {
		f.Close()
		return fmt.Errorf("write the ledger of SAs: %w", err)
	}
	if l.file != nil {
		l.file.Close()
	}
	l.file, l.lines, l.torn = f, len(l.sas)+len(l.spd), false
	return nil
}

// all lists what is in the ledger.
func (l *ledger) all() map[ike.SAKey]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make(map[ike.SAKey]bool, len(l.sas))
	for k := range l.sas {
		all[k] = true
	}
	return all
}

func (l *ledger) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		l.file.Close()
	}
}
