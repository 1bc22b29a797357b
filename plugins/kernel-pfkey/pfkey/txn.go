package pfkey

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
	"github.com/racoon-ike/racoon/core/sdk/kernel/txn"
)

// Apply runs the transactions one after the other. It does not heed ctx: what
// the kernel was told must be known to have been told. What cannot be undone is
// the deletion of an SA: PF_KEY does not tell its sequence number, and packets
// that begin anew would be replays.
func (b *Backend) Apply(_ context.Context, txns []kernel.Transaction) ([]kernel.TxnResult, error) {
	if b.sys.Refuse != "" {
		return nil, unsupported("%s", b.sys.Refuse)
	}
	res := make([]kernel.TxnResult, len(txns))
	for i, t := range txns {
		res[i] = b.memory.Do(t.TxnID, func() kernel.TxnResult {
			defer b.generation.Store(t.Generation)
			return txn.Run(t, b.do)
		})
	}
	return res, nil
}

func (b *Backend) do(op kernel.Op, keep bool) (txn.Undo, error) {
	switch op.Kind {
	case kernel.AddSA, kernel.UpdateSA, kernel.DeleteSA:
		if op.SA == nil {
			return nil, invalid("no SA given")
		}
		return b.doSA(op.Kind, op.SA)
	case kernel.AddPolicy, kernel.UpdatePolicy, kernel.DeletePolicy:
		if op.Policy == nil {
			return nil, invalid("no policy given")
		}
		if op.Policy.Key.Dir == kernel.Fwd && !b.sys.Forward {
			return nil, nil // the inbound policy is for forwarded packets too
		}
		u, err := b.doPolicy(op.Kind, op.Policy, keep)
		return u, wrap(describePolicy(op.Policy.Key), err)
	case kernel.FlushSAs:
		return nil, wrap("flush", b.flush(msgFlush))
	case kernel.FlushPolicies:
		return nil, wrap("flush", b.flush(msgSPDFlush))
	case kernel.AcquireDone:
		if op.Acquire == nil {
			return nil, invalid("no acquire given")
		}
		return nil, wrap("ACQUIRE", b.acquireDone(op.Acquire))
	}
	return nil, unsupported("not an op of this backend")
}

// flush empties a table. That nothing was in it is no error.
func (b *Backend) flush(typ uint8) error {
	err := b.conn.do(b.sys.message(typ, saTypeUnspec, 0).bytes())
	if isNotFound(err) {
		return nil
	}
	return err
}

// acquireDone tells the kernel that nothing comes of its request; it does not
// answer. SAs that are there are found by their sequence number.
func (b *Backend) acquireDone(r *kernel.AcquireResult) error {
	if r.Errno == 0 || r.Seq == 0 {
		return nil
	}
	return b.conn.tell(b.sys.encodeAcquireFailed(r))
}

// encodeAcquireFailed returns the ACQUIRE that ends a request. The kernel looks at the
// number and wants some SA type.
func (s *System) encodeAcquireFailed(r *kernel.AcquireResult) []byte {
	b := s.message(msgAcquire, saTypeESP, r.Seq).bytes()
	b[hdrErrno] = uint8(min(r.Errno, 0xff))
	return b
}

func (b *Backend) doSA(kind kernel.OpKind, sa *kernel.SA) (txn.Undo, error) {
	what := describeKey(sa.Key)
	moves := kind == kernel.UpdateSA && movesOnly(sa)
	switch {
	case kind == kernel.DeleteSA:
		return nil, wrap(what, b.deleteSA(sa.Key))
	case moves && b.sys.NewSrc != 0:
		undo, err := b.moveSA(sa)
		return undo, wrap(what, err)
	case moves, sa.NewSrc.IsValid(), sa.NewDst.IsValid():
		return nil, wrap(what, unsupported("PF_KEY of %s cannot give an SA new addresses: make a new SA", b.sys.Name))
	}
	typ := uint8(msgAdd)
	if kind == kernel.UpdateSA {
		typ = msgUpdate
		if b.sys.LosesPorts && sa.Encap != nil {
			// The reserved SPI has no ports; nothing uses it yet.
			if err := b.deleteSA(sa.Key); err != nil {
				return nil, wrap(what, err)
			}
			typ = msgAdd
		}
	}
	req, err := b.sys.encodeSA(typ, sa)
	if err != nil {
		return nil, wrap(what, err)
	}
	defer clear(req)
	if err := b.conn.do(req); err != nil {
		if typ == msgUpdate && b.unreserved(sa.Key, err) {
			err = fmt.Errorf("the SPI is not reserved: %w", syscall.ESRCH)
		}
		return nil, wrap(what, missingPart(sa.Key, err))
	}
	key := sa.Key
	return func() error { return wrap(what, b.deleteSA(key)) }, nil
}

// unreserved says whether UPDATE has failed because the SPI is not there any more.
// FreeBSD and Darwin call that EINVAL, as so much else.
func (b *Backend) unreserved(k kernel.Key, err error) bool {
	if !errors.Is(err, syscall.EINVAL) {
		return false
	}
	_, err = b.saStats(k)
	return isNotFound(err)
}

func (b *Backend) deleteSA(k kernel.Key) error {
	req, err := b.sys.encodeSAID(msgDelete, k)
	if err != nil {
		return err
	}
	return b.conn.do(req)
}

// modules are what Linux without a protocol needs: the module's name for IPv4 and
// for IPv6.
var modules = map[uint8]struct{ name, v4, v6 string }{
	protoESP: {"ESP", "esp4", "esp6"}, protoAH: {"AH", "ah4", "ah6"}, protoIPComp: {"IPComp", "ipcomp", "ipcomp6"},
}

// missingPart says what the kernel lacks.
func missingPart(k kernel.Key, err error) error {
	p, known := modules[k.Proto]
	switch {
	case errors.Is(err, syscall.EPROTONOSUPPORT) && known:
		family, module, option := "IPv4", p.v4, "CONFIG_INET_"
		if k.Dst.Unmap().Is6() {
			family, module, option = "IPv6", p.v6, "CONFIG_INET6_"
		}
		return errs.OS(fmt.Sprintf("this kernel has no %s for %s; load the module %s, or use a kernel with %s%s",
			p.name, family, module, option, strings.ToUpper(p.name)), err)
	case errors.Is(err, syscall.ENOSYS):
		return errs.OS("the kernel lacks this algorithm", err)
	}
	return err
}

func (b *Backend) doPolicy(kind kernel.OpKind, p *kernel.Policy, keep bool) (txn.Undo, error) {
	var old *kernel.Policy
	if keep && kind != kernel.AddPolicy {
		var err error
		if old, _, err = b.findPolicy(p.Key); err != nil && !isNotFound(err) {
			return nil, err
		}
	}
	undo := func() error { return b.deletePolicy(p.Key) }
	if old != nil {
		undo = func() error { return b.putPolicy(msgSPDUpdate, old) }
	}
	switch kind {
	case kernel.DeletePolicy:
		return undo, b.deletePolicy(p.Key)
	case kernel.UpdatePolicy:
		return undo, b.putPolicy(msgSPDUpdate, p)
	}
	return undo, b.putPolicy(msgSPDAdd, p)
}

func (b *Backend) putPolicy(typ uint8, p *kernel.Policy) error {
	req, err := b.sys.encodePolicy(typ, p)
	if err == nil {
		err = b.conn.do(req)
	}
	return err
}

// deletePolicy deletes by the kernel's index if there is one, else by selector.
func (b *Backend) deletePolicy(k kernel.PolicyKey) error {
	encode := b.sys.encodePolicyID
	if k.ID != 0 {
		encode = func(k kernel.PolicyKey) ([]byte, error) { return b.sys.encodePolicyIndex(msgSPDDelete2, k) }
	}
	req, err := encode(k)
	if err != nil {
		return err
	}
	err = b.conn.do(req)
	if n := b.sys.NoSuchPolicy; n != 0 && errors.Is(err, syscall.Errno(n)) {
		return fmt.Errorf("no such policy: %w", syscall.ENOENT)
	}
	return err
}

// findPolicy reads one policy: by its index, or by its selector out of a dump,
// as PF_KEY has no other way.
func (b *Backend) findPolicy(k kernel.PolicyKey) (p *kernel.Policy, st kernel.Stats, err error) {
	if k.ID != 0 {
		req, err := b.sys.encodePolicyIndex(msgSPDGet, k)
		if err != nil {
			return nil, st, err
		}
		err = b.conn.ask(req, func(m *received) (err error) {
			p, st, _, err = m.decodePolicy()
			return err
		})
		return p, st, err
	}
	if err := b.sys.checkPolicyKey(k); err != nil {
		return nil, st, err
	}
	src, dst, err := prefixes(k.Sel)
	if err != nil {
		return nil, st, err
	}
	k.Sel.Src, k.Sel.Dst = src, dst
	list, err := b.policies()
	for _, o := range list {
		if o.Policy.Key.Dir == k.Dir && o.Policy.Key.Sel == k.Sel {
			return o.Policy, o.Stats, nil
		}
	}
	if err == nil {
		err = fmt.Errorf("no such policy: %w", syscall.ENOENT)
	}
	return nil, st, err
}
