package pfkey

import (
	"bytes"
	"errors"
	"syscall"
	"testing"

	"github.com/racoon-ike/racoon/core/sdk/errs"
	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// dumpOf answers a dump with n SAs, numbered as the system does it.
func dumpOf(s System, req []byte, n int) (list [][]byte) {
	for i := range n {
		m, err := s.encodeSA(msgDump, espSA(0x1000+uint32(i)))
		if err != nil {
			panic(err)
		}
		m[16+saState] = stateMature
		seq := uint32(i + 1)
		if s.CountsDown {
			seq = uint32(n - 1 - i)
		} else if i == n-1 {
			seq = 0
		}
		native.PutUint32(m[hdrSeq:], seq)
		copy(m[hdrPID:], req[hdrPID:hdrPID+4])
		list = append(list, m)
	}
	return list
}

func sas(t *testing.T, b *Backend) (list []kernel.Object, err error) {
	err = b.Dump(t.Context(), kernel.DumpFilter{SAs: true}, func(o kernel.Object) error { list = append(list, o); return nil })
	return list, err
}

func TestADumpEndsWithNumber0AndHasASocketOfItsOwn(t *testing.T) {
	for _, s := range []System{linux(), freebsd(), netbsd(), darwin()} {
		k := newFakeKernel(t, s)
		b := k.backend()
		k.handler[msgDump] = func(req []byte) [][]byte {
			list := dumpOf(s, req, 3)
			foreign := refusalOf(req, 0)
			foreign[hdrPID]++
			return append([][]byte{foreign}, list...)
		}
		if err := b.flush(msgFlush); err != nil {
			t.Fatal(err)
		}
		list, err := sas(t, b)
		if err != nil || len(list) != 3 || list[2].SA.Key.SPI != 0x1002 {
			t.Errorf("%s: %d SAs, %v", s.Name, len(list), err)
		}
		if len(k.sockets) != 2 {
			t.Errorf("%s: %d sockets", s.Name, len(k.sockets))
		}
		select {
		case <-k.sockets[1].closed:
		default:
			t.Errorf("%s: the socket of the dump is open", s.Name)
		}
	}
}

func TestAnEmptyTableIsNoError(t *testing.T) {
	k := newFakeKernel(t, linux())
	k.fail(msgDump, syscall.ENOENT)
	if list, err := sas(t, k.backend()); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
}

// What is missing in the middle, at the end, or all of it: the dump is read again with
// more room.
func TestADumpThatOverflowedIsReadAgain(t *testing.T) {
	for name, lose := range map[string]func([][]byte) [][]byte{
		"one in the middle": func(l [][]byte) [][]byte { return append(l[:1:1], l[2:]...) },
		"the last":          func(l [][]byte) [][]byte { return l[:len(l)-1] },
		"all":               func(l [][]byte) [][]byte { return nil },
		"NetBSD's answer":   func(l [][]byte) [][]byte { return [][]byte{refusalOf(l[0], syscall.ENOBUFS)} },
	} {
		for _, s := range []System{linux(), netbsd()} {
			k := newFakeKernel(t, s)
			tries := 0
			k.handler[msgDump] = func(req []byte) [][]byte {
				if tries++; tries < 3 {
					return lose(dumpOf(s, req, 4))
				}
				return dumpOf(s, req, 4)
			}
			list, err := sas(t, k.backend())
			if err != nil || len(list) != 4 || tries != 3 {
				t.Errorf("%s, %s: %d SAs after %d tries, %v", name, s.Name, len(list), tries, err)
			}
			if n := k.sockets[len(k.sockets)-1].buffer; n != 4*largeBuffer {
				t.Errorf("%s, %s: the third try has a buffer of %d", name, s.Name, n)
			}
		}
	}
}

// One policy that we have no words for (of type generate on Darwin, of mode any on
// KAME) does not hide the others.
func TestAPolicyWithoutWordsIsLeftOut(t *testing.T) {
	s := darwin()
	k := newFakeKernel(t, s)
	k.handler[msgSPDDump] = func(req []byte) (list [][]byte) {
		for seq := range uint32(2) {
			b, err := s.encodePolicy(msgSPDDump, outPolicy())
			if err != nil {
				t.Error(err)
				return nil
			}
			m, err := s.parse(b)
			if err != nil {
				t.Error(err)
				return nil
			}
			if seq == 0 {
				native.PutUint16(m.ext[extPolicy][polType:], 5)
			}
			native.PutUint32(b[hdrSeq:], 1-seq)
			copy(b[hdrPID:], req[hdrPID:hdrPID+4])
			list = append(list, b)
		}
		return list
	}
	var list []kernel.Object
	err := k.backend().Dump(t.Context(), kernel.DumpFilter{Policies: true}, func(o kernel.Object) error { list = append(list, o); return nil })
	if err != nil || len(list) != 1 || list[0].Policy == nil {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestADumpThatCannotBeReadIsBusy(t *testing.T) {
	k := newFakeKernel(t, linux())
	k.handler[msgDump] = func([]byte) [][]byte { return nil }
	if list, err := sas(t, k.backend()); !errors.Is(err, &errs.Error{Reason: errs.Busy}) || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
	if last := k.sockets[len(k.sockets)-1].buffer; last != maxBuffer {
		t.Errorf("the last buffer was %d", last)
	}
}

func TestKeysAreGivenOutOnlyByAnInstanceForSetkey(t *testing.T) {
	s := linux()
	for _, dumpKeys := range []bool{false, true} {
		k := newFakeKernel(t, s)
		k.handler[msgDump] = func(req []byte) [][]byte { return dumpOf(s, req, 1) }
		b := k.backend()
		b.cfg.DumpKeys = dumpKeys
		for _, asked := range []bool{false, true} {
			err := b.Dump(t.Context(), kernel.DumpFilter{SAs: true, WithKeys: asked}, func(o kernel.Object) error {
				want := []byte(nil)
				if asked && dumpKeys {
					want = bytes.Repeat([]byte{0xa5}, 16)
				}
				if got := o.SA.Encr.Key.Reveal(); !bytes.Equal(got, want) {
					t.Errorf("asked %v, allowed %v: %d octets of key", asked, dumpKeys, len(got))
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
	}
}

func TestADumpIsFilteredByReqID(t *testing.T) {
	s := linux()
	k := newFakeKernel(t, s)
	k.handler[msgDump] = func(req []byte) [][]byte { return dumpOf(s, req, 2) }
	b := k.backend()
	for id, want := range map[uint32]int{7: 2, 8: 0} {
		n := 0
		err := b.Dump(t.Context(), kernel.DumpFilter{SAs: true, ReqIDs: []uint32{id}}, func(kernel.Object) error { n++; return nil })
		if err != nil || n != want {
			t.Errorf("reqid %d: %d SAs, %v", id, n, err)
		}
	}
}

// Old KAME numbers its answer to SPDGET 0.
func TestTheAnswerToSPDGETMayHaveNumber0(t *testing.T) {
	s := freebsd()
	k := newFakeKernel(t, s)
	p := outPolicy()
	k.handler[msgSPDGet] = func(req []byte) [][]byte {
		m, err := s.encodePolicy(msgSPDGet, p)
		if err != nil {
			t.Fatal(err)
		}
		native.PutUint32(m[hdrSeq:], 0)
		copy(m[hdrPID:], req[hdrPID:hdrPID+4])
		return [][]byte{m}
	}
	key := p.Key
	key.ID = 0x101
	stats, err := k.backend().Query(t.Context(), []kernel.Key{{Policy: &key}})
	if err != nil || !stats[0].Found {
		t.Errorf("%+v, %v", stats, err)
	}
}
