package engine

import (
	"crypto/rand"
	"errors"
	"sync"

	"github.com/racoon-ike/racoon/core/internal/oakley"
)

// keyMaker makes Diffie-Hellman keys. A group's table is computed when the first key
// of that group is wanted, and kept.
type keyMaker struct {
	mu     sync.Mutex
	tables map[oakley.Group]func() (oakley.Generator, error)
}

func newKeyMaker() *keyMaker {
	return &keyMaker{tables: map[oakley.Group]func() (oakley.Generator, error){}}
}

// generate draws until the octets are a key of the group.
func (m *keyMaker) generate(g oakley.Group) (oakley.KeyPair, error) {
	table, err := m.table(g)()
	if err != nil {
		return oakley.KeyPair{}, err
	}
	b := make([]byte, g.RandomLen())
	defer clear(b)
	for {
		rand.Read(b)
		if k, err := table.GenerateKey(b); !errors.Is(err, oakley.ErrDrawAgain) {
			return k, err
		}
	}
}

// table returns what computes the group's table once, for all who wait for it.
func (m *keyMaker) table(g oakley.Group) func() (oakley.Generator, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.tables[g]
	if f == nil {
		f = sync.OnceValues(func() (oakley.Generator, error) { return oakley.NewGenerator(g) })
		m.tables[g] = f
	}
	return f
}
