package isakmp

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// crashPackets are datagrams that crashed other daemons.
func crashPackets(t testing.TB) (datagrams [][]byte) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(sharedVectors(t, "cve-packets"), "ikev1_crash_packets.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Packets []struct{ Hex string } }
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	for _, p := range file.Packets {
		datagrams = append(datagrams, unhex(t, p.Hex))
	}
	return datagrams
}

// capturedDatagrams are those of a folder of captures: whatever follows a UDP
// header of port 500 or 4500, found by searching, so that any link layer and
// both capture formats will do. Garbage found, too, is welcome.
func capturedDatagrams(t testing.TB, folder string) map[string][][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(sharedVectors(t, folder), "*.pcap*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	found := map[string][][]byte{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+8 < len(b); i++ {
			src, dst, n := binary.BigEndian.Uint16(b[i:]), binary.BigEndian.Uint16(b[i+2:]), int(binary.BigEndian.Uint16(b[i+4:]))
			if src != 500 && src != 4500 && dst != 500 && dst != 4500 || n < 8 {
				continue
			}
			d := b[i+8 : min(i+n, len(b))] // cut captures are cut
			if src == 4500 || dst == 4500 {
				d = bytes.TrimPrefix(d, []byte{0, 0, 0, 0})
			}
			found[filepath.Base(f)] = append(found[filepath.Base(f)], d)
		}
	}
	return found
}

func TestCrashPacketsAreReadOrRefused(t *testing.T) {
	for i, d := range crashPackets(t) {
		line := describe(d)
		if line == "" || len(line) > 4096 {
			t.Errorf("packet %d reads %d octets", i, len(line))
		}
		t.Log(line)
	}
}

func TestMalformedCapturesAreReadOrRefused(t *testing.T) {
	captures := capturedDatagrams(t, "malformed-pcap")
	for file, datagrams := range captures {
		for _, d := range datagrams {
			checkDatagram(t, d)
		}
		t.Logf("%s: %d", file, len(datagrams))
	}
	for _, file := range []string{"ISAKMP_sa_setup.pcap", "isakmp4500.pcap"} { // two plain sessions
		read := 0
		for _, d := range captures[file] {
			if line := describe(d); !strings.Contains(line, "malformed") {
				read++
			}
		}
		if read < 5 {
			t.Errorf("%s: %d messages are read", file, read)
		}
	}
}
