//go:build linux

// Package guest is the part of the lab that runs inside the User-Mode Linux
// guest: process 1, the two gateways, and what a scenario does with them.
package guest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Where the host's directories appear in the guest.
const (
	repoMount = "/mnt/repo"  // the repository
	workMount = "/mnt/work"  // the run's directory, writable
	binaries  = "/mnt/build" // what is under test, owned by the guest's root, whoever built it
)

// modules the scenarios need. The kernel must not load any on demand: see boot.
var modules = strings.Fields(`
	xfrm_user xfrm_algo af_key esp4 esp6 ah4 ah6 ipcomp ipcomp6 xfrm4_tunnel xfrm6_tunnel ipv6 veth sch_netem
	cryptomgr cbc ctr gcm ccm ghash_generic seqiv echainiv drbg authenc authencesn hmac md5 sha1 sha256 sha512_generic
	aes_generic des_generic camellia_generic blowfish_generic cast5_generic deflate
	ip_tables ip6_tables iptable_filter ip6table_filter iptable_nat nf_nat xt_nat xt_MASQUERADE xt_tcpudp
	nf_conntrack_netlink iptable_mangle ip_vti`)

// Init is process 1 of the guest: it prepares the machine, runs the scenarios
// in a child, collects orphans and powers off. It does not return.
func Init() {
	if err := boot(); err != nil {
		fmt.Println("lab: boot:", err) // on the console, which the host keeps
	} else if err := supervise(); err != nil {
		fmt.Println("lab: scenarios:", err)
	}
	unix.Sync()
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		fmt.Println("lab: power off:", err)
	}
}

func boot() error {
	repo, work := os.Getenv("LABREPO"), os.Getenv("LABWORK")
	if repo == "" || work == "" {
		return errors.New("LABREPO and LABWORK are not on the kernel's command line")
	}
	mounts := []struct{ kind, at, options string }{
		{"proc", "/proc", ""},
		{"sysfs", "/sys", ""},
		{"tmpfs", "/mnt", ""},
		{"hostfs", repoMount, repo},
		{"hostfs", workMount, work},
		{"tmpfs", "/run", "mode=755"},
		{"tmpfs", "/tmp", "mode=1777"},
		{"tmpfs", "/var/tmp", "mode=1777"},
	}
	for _, m := range mounts {
		if strings.HasPrefix(m.at, "/mnt/") {
			if err := os.MkdirAll(m.at, 0o755); err != nil {
				return err
			}
		}
		if err := unix.Mount("none", m.at, m.kind, 0, m.options); err != nil {
			return fmt.Errorf("mount %s on %s: %w", m.kind, m.at, err)
		}
	}
	if err := install(); err != nil {
		return fmt.Errorf("install what was built: %w", err)
	}
	if err := os.Setenv("PATH", binaries+"/sbin:/usr/sbin:/usr/bin:/sbin:/bin"); err != nil {
		return err
	}
	if err := loadModules(); err != nil {
		return err
	}
	// A file of its own for every core, where the scenario can find it.
	if err := os.WriteFile("/proc/sys/kernel/core_pattern", []byte(corePrefix+"%e.%p"), 0); err != nil {
		return err
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}); err != nil {
		return fmt.Errorf("core size: %w", err)
	}
	return exec.Command("ip", "link", "set", "lo", "up").Run()
}

// install copies the daemon and its plugins. A run without racoon has none.
func install() error {
	for _, d := range []string{"sbin", "libexec"} {
		err := os.CopyFS(filepath.Join(binaries, d), os.DirFS(filepath.Join(repoMount, "build", d)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// loadModules loads what the lab needs and then empties the kernel's helper
// path. PF_KEY REGISTER asks for every algorithm it has heard of, and each
// request would start a modprobe that finds nothing: seconds in this guest.
func loadModules() error {
	const root = "/run/modules" // modprobe -d wants lib/modules below it
	if err := os.MkdirAll(root+"/lib", 0o755); err != nil {
		return err
	}
	if err := os.Symlink("/usr/lib/uml/modules", root+"/lib/modules"); err != nil {
		return err
	}
	out, err := exec.Command("modprobe", append([]string{"-d", root, "-a"}, modules...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("modprobe: %w: %s", err, out)
	}
	return os.WriteFile("/proc/sys/kernel/modprobe", []byte("\n"), 0)
}

// supervise runs the scenarios in a child and reaps, as process 1 must,
// whatever is orphaned meanwhile.
func supervise() error {
	// Not by its path: boot may have mounted something over that.
	child, err := os.StartProcess("/proc/self/exe", []string{"lab", "guest"}, &os.ProcAttr{
		Dir: "/", Env: os.Environ(), Files: []*os.File{nil, os.Stdout, os.Stderr},
	})
	if err != nil {
		return err
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("wait: %w", err)
		}
		if pid != child.Pid {
			continue
		}
		if status.ExitStatus() != 0 {
			return fmt.Errorf("runner ended with status %#x", status)
		}
		return nil
	}
}
