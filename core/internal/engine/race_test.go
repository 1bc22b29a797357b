//go:build race

package engine

// raced: the race detector makes everything ten times as slow.
const raced = true
