package capture

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"
)

const (
	pcapMagicNano = 0xa1b23c4d // nanosecond time stamps
	linkEthernet  = 1
	snapLen       = 65536 + 64 // a GSO frame and its header
)

// pcapWriter writes the classic capture format that every tool reads.
type pcapWriter struct{ w io.Writer }

func newPcapWriter(w io.Writer) (pcapWriter, error) {
	h := binary.LittleEndian.AppendUint32(nil, pcapMagicNano)
	h = binary.LittleEndian.AppendUint16(h, 2)
	h = binary.LittleEndian.AppendUint16(h, 4)
	h = append(h, make([]byte, 8)...) // zone and accuracy: zero by convention
	h = binary.LittleEndian.AppendUint32(h, snapLen)
	h = binary.LittleEndian.AppendUint32(h, linkEthernet)
	if _, err := w.Write(h); err != nil {
		return pcapWriter{}, fmt.Errorf("pcap header: %w", err)
	}
	return pcapWriter{w}, nil
}

func (p pcapWriter) write(at time.Time, frame []byte) error {
	b := binary.LittleEndian.AppendUint32(nil, uint32(at.Unix()))
	b = binary.LittleEndian.AppendUint32(b, uint32(at.Nanosecond()))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(frame)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(frame)))
	if _, err := p.w.Write(append(b, frame...)); err != nil {
		return fmt.Errorf("pcap record: %w", err)
	}
	return nil
}
