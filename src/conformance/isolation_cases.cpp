// SPDX-License-Identifier: Apache-2.0
// Attempts to get out, as root in the sandbox unless said otherwise. All of them must fail, and none would do this host harm if
// it did not: what can be opened is not written, and what is written is what is there already.
#include "conformance/bench.hpp"
#include "conformance/case.hpp"
#include "conformance/listener.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace sandboxkit::conformance {
namespace {

namespace fs = std::filesystem;

Sandbox start_with_probe(Bench& bench) {
    auto sandbox = bench.start();
    sandbox.bring_probe();
    return sandbox;
}

// Refused for who asks, not for what: a call that is made wrongly fails everywhere.
void refused_calls(Bench& bench, std::initializer_list<const char*> calls) {
    auto sandbox = start_with_probe(bench);
    for (const char* call : calls) {
        const auto said = sandbox.probe(std::string("call ") + call);
        bench.check(said == "EPERM" || said == "ENOSYS" || said == "EACCES" || said == "EAFNOSUPPORT",
                    std::string(call) + " is refused", said);
    }
    bench.equal("the sandbox, after that", sandbox.text("echo alive"), "alive\n");
}

void mounts(Bench& bench) {
    refused_calls(bench, {"mount", "umount", "pivot_root", "open_tree", "fsopen"});
}
void namespaces(Bench& bench) {
    refused_calls(bench, {"unshare_user", "unshare_mount", "clone_user", "setns"});
}
void kernel_interfaces(Bench& bench) {
    refused_calls(bench, {"keyctl", "add_key", "bpf", "userfaultfd", "perf", "init_module", "kexec", "reboot", "swapon",
                          "settime", "sethostname", "syslog"});
}
void file_handles(Bench& bench) {
    refused_calls(bench, {"open_by_handle"});
}
void sockets_past_the_network(Bench& bench) {
    refused_calls(bench, {"raw", "packet", "vsock"});
}

void block_devices(Bench& bench) {
    auto sandbox = start_with_probe(bench);
    bench.equal("block devices in /dev", sandbox.text("find /dev -type b | wc -l"), "0\n");
    // Those of this host that the kernel tells; and the memory.
    const auto devices = sandbox.text("awk 'NR > 2 { print \"b\", $1, $2 }' /proc/partitions; echo 'c 1 1'; echo 'c 1 11'");
    std::istringstream lines(devices);
    for (std::string kind, major, minor; lines >> kind >> major >> minor;) {
        const auto said = sandbox.probe("device " + kind + " " + major + " " + minor);
        bench.check(said == "EPERM" || said == "EACCES" || said == "ENXIO",
                    "the device " + kind + " " + major + ":" + minor + " cannot be opened", said);
    }
}

void process_one(Bench& bench) {
    auto sandbox = start_with_probe(bench);
    (void)sandbox.run("kill -9 1; kill -TERM 1; kill -STOP 1; kill -SEGV 1");
    bench.equal("the sandbox, after signals to its process 1", sandbox.text("echo alive"), "alive\n");
    const auto said = sandbox.probe("call ptrace_1");
    bench.check(said == "EPERM" || said == "EACCES" || said == "ENOSYS", "process 1 cannot be traced", said);
    bench.check(!sandbox.works("head -c 1 /proc/1/mem"), "the memory of process 1 cannot be read");
    bench.check(!sandbox.works("cat /proc/1/environ | grep -q ."), "its environment cannot be read");
}

void kernel_settings(Bench& bench) {
    auto sandbox = bench.start();
    const auto writable = sandbox.text(
        "find /proc/sys -type f 2>/dev/null | while read f; do (: >> \"$f\") 2> /dev/null && echo \"$f\"; done; true");
    bench.equal("settings in /proc/sys that can be written", writable, "");
    for (const char* file : {"/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/vm/overcommit_memory",
                             "/proc/sys/fs/file-max"})
        bench.check(!sandbox.works(std::string("cat ") + file + " > /root/now && cat /root/now > " + file),
                    std::string(file) + " cannot be written");
    bench.check(!sandbox.works("(: >> /proc/sysrq-trigger)"), "/proc/sysrq-trigger cannot be written");
    bench.check(!sandbox.works("mkdir /proc/irq/x"), "/proc/irq cannot be written");
    bench.equal("what /proc/kcore has", sandbox.text("head -c 1 /proc/kcore 2> /dev/null | wc -c"), "0\n");
    bench.equal("what /proc/keys has", sandbox.text("cat /proc/keys /proc/timer_list /proc/sched_debug 2> /dev/null | wc -c"),
                "0\n");
}

void sysfs(Bench& bench) {
    auto sandbox = bench.start();
    bench.equal(
        "files in /sys that can be written",
        sandbox.text(
            "find /sys -maxdepth 4 -type f 2>/dev/null | while read f; do (: >> \"$f\") 2> /dev/null && echo \"$f\"; done; true"),
        "");
    bench.check(
        !sandbox.works(
            "mkdir /sys/fs/cgroup/conformance || for d in /sys/fs/cgroup/*/; do mkdir $d/conformance && exit 0; done; exit 1"),
        "no control group can be made");
    bench.equal("what /sys/firmware has", sandbox.text("ls /sys/firmware 2> /dev/null | wc -l"), "0\n");
}

void control_groups(Bench& bench) {
    auto sandbox = bench.start();
    bench.equal(
        "agents of release that can be written",
        sandbox.text(
            "find / -xdev -name release_agent 2>/dev/null | while read f; do (: >> \"$f\") 2> /dev/null && echo \"$f\"; done; "
            "find /sys/fs/cgroup -name release_agent -o -name cgroup.procs 2>/dev/null | while read f; do (: >> \"$f\") 2> "
            "/dev/null && echo \"$f\"; done; true"),
        "");
    bench.check(!sandbox.works("mkdir -p /tmp/cg && (mount -t cgroup -o rdma cgroup /tmp/cg || mount -t cgroup2 none /tmp/cg)"),
                "no hierarchy can be mounted");
}

void a_way_out_of_a_chroot(Bench& bench) {
    auto sandbox = start_with_probe(bench);
    const auto canary = bench.directory("canary") / "of-the-host";
    std::ofstream(canary) << "canary";
    const auto said = sandbox.probe("chroot_escape " + canary.string());
    bench.check(said != "ok", "the way out of a chroot does not lead to this host", said);
}

void files_of_the_host(Bench& bench) {
    const auto canary = bench.directory("canary") / "of-the-host";
    std::ofstream(canary) << "canary-of-this-host";
    auto sandbox = bench.start();
    for (const std::string prefix : {"", "/proc/1/root", "/proc/self/root", "/proc/1/cwd", "/.."})
        bench.check(!sandbox.works("cat '" + prefix + canary.string() + "'"),
                    "a file of this host is not there: " + prefix + canary.string());
    bench.equal("mounts that name it",
                sandbox.text("grep -c '" + canary.parent_path().string() + "' /proc/self/mountinfo || true"), "0\n");
    bench.equal(
        "sockets of a container daemon",
        sandbox.text(
            "find / -xdev -name 'docker*.sock' -o -xdev -name 'containerd*.sock' -o -xdev -name 'podman*.sock' 2> /dev/null"),
        "");
    // The descriptors that a command is given lead nowhere.
    bench.equal(
        "descriptors besides its streams",
        sandbox.text(
            "for f in /proc/$$/fd/*; do n=${f##*/}; test $n -gt 2 && test $n -lt 200 && test -e $f && readlink $f; done; true"),
        "");
}

void processes_of_the_host(Bench& bench) {
    auto sandbox = bench.start();
    const auto count = std::atoi(sandbox.text("ls /proc | grep -c '^[0-9]'").c_str());
    bench.check(count > 0 && count < 12, "there are its own processes only", std::to_string(count));
    for (const char* name : {"pid", "ipc", "uts", "mnt", "net", "cgroup"}) {
        std::error_code error;
        const auto ours = fs::read_symlink(std::string("/proc/self/ns/") + name, error).string();
        const auto theirs = sandbox.text(std::string("readlink /proc/self/ns/") + name + " || true");
        if (std::string(name) == "cgroup" && ours + "\n" == theirs) continue; // a view of names; what can be done is in sysfs
        bench.check(!error && theirs != ours + "\n" && theirs.size() > 1, std::string("its namespace is its own: ") + name,
                    shown(theirs));
    }
}

void no_new_privileges(Bench& bench) {
    auto sandbox = start_with_probe(bench);
    sandbox.need_user("nobody");
    (void)sandbox.text(std::string("cp ") + Sandbox::probe_path +
                       " /tmp/set-id && chown 0:0 /tmp/set-id && chmod 6755 /tmp/set-id");
    bench.equal("root's program, run as root", sandbox.text("/tmp/set-id euid"), "0\n");
    bench.check(sandbox.text("/tmp/set-id euid", "nobody") != "0\n", "a program with the set-id bit does not make a user root");
    bench.equal("the flag", sandbox.text("grep NoNewPrivs /proc/self/status"), "NoNewPrivs:\t1\n");
}

void capabilities(Bench& bench) {
    auto sandbox = bench.start();
    const auto status = sandbox.text("grep -e CapEff -e CapBnd -e CapPrm /proc/self/status | cut -f2");
    // What root in a container never needs and what leads out of one: by number, capability.h.
    constexpr std::pair<int, const char*> forbidden[] = {
        {2, "DAC_READ_SEARCH"}, {12, "NET_ADMIN"}, {13, "NET_RAW"},  {16, "SYS_MODULE"},   {17, "SYS_RAWIO"},
        {19, "SYS_PTRACE"},     {21, "SYS_ADMIN"}, {22, "SYS_BOOT"}, {24, "SYS_RESOURCE"}, {25, "SYS_TIME"},
        {30, "AUDIT_CONTROL"},  {34, "SYSLOG"},    {38, "PERFMON"},  {39, "BPF"},          {40, "CHECKPOINT_RESTORE"}};
    std::istringstream lines(status);
    int count = 0;
    for (std::string mask; lines >> mask; ++count) {
        const auto bits = std::strtoull(mask.c_str(), nullptr, 16);
        for (const auto& [bit, name] : forbidden)
            bench.check((bits >> bit & 1U) == 0, std::string("root has not the capability ") + name, mask);
    }
    bench.check(count == 3, "three sets were looked at");
}

void the_guest_and_users(Bench& bench) {
    auto sandbox = start_with_probe(bench);
    sandbox.need_user("nobody");
    for (const char* attempt :
         {"cat /proc/1/mem", "cat /proc/1/environ", "cat /proc/1/maps | grep -q .", "ls /proc/1/fd | grep -q .", "kill -9 1"})
        bench.check(!sandbox.works(attempt, "nobody"), std::string("a user cannot: ") + attempt);
    // Every socket of the file system that something listens on.
    const auto sockets = sandbox.text("find / -xdev -type s 2> /dev/null; awk '$8 ~ \"^/\" { print $8 }' /proc/net/unix");
    std::istringstream lines(sockets);
    for (std::string path; std::getline(lines, path);)
        bench.check(sandbox.probe("unix '" + path + "'", "nobody") != "ok", "a user cannot connect to " + path);
}

void the_program_of_the_guest(Bench& bench) {
    auto sandbox = bench.start();
    const auto path = sandbox.text("readlink /proc/1/exe || true");
    for (const std::string attempt :
         {"echo x > /proc/1/exe", "p=$(readlink /proc/1/exe); echo x > $p", "p=$(readlink /proc/1/exe); rm -f $p && test ! -e $p",
          "p=$(readlink /proc/1/exe); mv $p /tmp/", "p=$(readlink /proc/1/exe); cp /bin/sh $p",
          "p=$(readlink /proc/1/exe); mv ${p%/*} /tmp/moved"})
        if (path.size() > 1) bench.check(!sandbox.works(attempt), "the guest's program cannot be replaced: " + attempt);
    bench.equal("the sandbox, after that", sandbox.text("echo alive"), "alive\n");
    if (!bench.can().stop_and_resume) return;
    sandbox.stop();
    sandbox.start();
    bench.equal("and after another start", sandbox.text("echo alive"), "alive\n");
}

void a_socket_that_is_replaced(Bench& bench) {
    const auto directory = bench.directory("trap");
    auto trap = Listener::unix_socket(directory / "s", "HTTP/1.1 204 No Content\r\n\r\n");
    if (!trap) Bench::skip("the path of the scratch directory is too long for a socket");
    auto sandbox = bench.start();
    (void)sandbox.text("true");
    const auto target = (directory / "s").string();
    // All that can be found; where nothing can, there is nothing to replace.
    (void)sandbox.run("for s in $(find / -xdev -type s 2> /dev/null; find /run /dev /var/run -type s 2> /dev/null; awk '$8 ~ "
                      "\"^/\" { print $8 }' /proc/net/unix); do "
                      "rm -f \"$s\"; ln -s " +
                      target + " \"$s\"; done");
    auto endpoint = bench.wait(bench.provider().endpoint(sandbox.id()));
    if (endpoint) { // whether it still answers is the sandbox's affair
        auto client = envd::Client::make(bench.waiting().executor(), *endpoint);
        (void)bench.wait(client->health());
    }
    bench.check(trap->accepted() == 0, "nobody is led from a sandbox's socket to another of this host");
    sandbox.destroy();
}

void links_to_the_host(Bench& bench) {
    const auto canary = bench.directory("canary") / "of-the-host";
    std::ofstream(canary) << "canary";
    auto sandbox = bench.start();
    (void)sandbox.text("ln -s " + canary.string() +
                       " /root/link; rm -rf /etc/hostname /etc/hosts /etc/resolv.conf; "
                       "for f in hostname hosts resolv.conf; do ln -sf " +
                       canary.string() + " /etc/$f; done; true");
    bench.check(bench.wait(sandbox.client().read_file("/root/link")).has_error(),
                "a link in the sandbox does not lead to a file of this host");
    (void)bench.wait(sandbox.client().write_file("/root/link", "changed"));
    if (bench.can().stop_and_resume) {
        (void)bench.wait(bench.provider().stop(sandbox.id()));
        (void)bench.wait(bench.provider().start(sandbox.id()));
    }
    std::ostringstream now;
    now << std::ifstream(canary).rdbuf();
    bench.equal("the file of this host", now.str(), "canary");
}

void between_files(Bench& bench) {
    auto first = bench.start(), second = bench.start();
    for (const char* directory : {"/root", "/tmp", "/var/tmp", "/dev/shm", "/run", "/dev"}) {
        if (!first.works(std::string("echo x > ") + directory + "/conformance-mine")) continue;
        bench.check(!second.works(std::string("test -e ") + directory + "/conformance-mine"),
                    std::string("a neighbour does not see what is in ") + directory);
    }
}

void between_processes(Bench& bench) {
    auto first = bench.start(), second = bench.start();
    (void)first.text("sleep 98765 > /dev/null 2>&1 & echo ok");
    bench.check(first.works("cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -q 'sleep 9876[5]'"),
                "a process is seen in its own sandbox");
    bench.check(!second.works("cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -q 'sleep 9876[5]'"),
                "a process is not seen from a neighbour");
    for (const char* name : {"pid", "ipc", "uts", "mnt", "net"})
        bench.check(first.text(std::string("readlink /proc/self/ns/") + name) !=
                        second.text(std::string("readlink /proc/self/ns/") + name),
                    std::string("two sandboxes have namespaces of their own: ") + name);
}

void between_abstract_sockets(Bench& bench) {
    auto first = start_with_probe(bench), second = start_with_probe(bench);
    (void)first.text(std::string(Sandbox::probe_path) +
                     " abstract_serve conformance > /root/ready 2>&1 & until grep -q serving /root/ready; do :; done");
    bench.equal("an abstract socket, from its own sandbox", first.probe("abstract conformance"), "ok");
    const auto said = second.probe("abstract conformance");
    bench.check(said != "ok", "an abstract socket is not reached from a neighbour", said);
}

void between_ipc(Bench& bench) {
    auto first = start_with_probe(bench), second = start_with_probe(bench);
    bench.equal("making a shared memory of System V", first.probe("shm_make 4711"), "ok");
    bench.equal("finding it in its own sandbox", first.probe("shm_find 4711"), "ok");
    bench.equal("finding it from a neighbour", second.probe("shm_find 4711"), "ENOENT");
}

} // namespace

Group isolation_cases() {
    return {
        "isolation",
        {
            {"mounts", "nothing can be mounted or unmounted, by old calls or new", mounts},
            {"namespaces", "no namespace can be made or entered", namespaces},
            {"kernel_interfaces", "keys, bpf, perf, userfaultfd, modules, kexec, reboot, swap, time, host name, log are refused",
             kernel_interfaces},
            {"file_handles", "files cannot be opened by handle", file_handles},
            {"sockets_past_the_network", "raw, packet and vsock sockets are refused", sockets_past_the_network},
            {"block_devices", "no block device of the host, nor its memory, can be opened", block_devices},
            {"process_one", "process 1 cannot be ended, stopped, traced or read", process_one},
            {"kernel_settings", "settings of the kernel cannot be written, and its secrets not be read", kernel_settings},
            {"sysfs", "/sys cannot be written", sysfs},
            {"control_groups", "control groups cannot be made, mounted or given an agent", control_groups},
            {"a_way_out_of_a_chroot", "the way out of a chroot ends at the sandbox's root", a_way_out_of_a_chroot},
            {"files_of_the_host", "files and sockets of the host are not there", files_of_the_host},
            {"processes_of_the_host", "processes of the host are not seen, and namespaces are its own", processes_of_the_host},
            {"no_new_privileges", "a set-id program gives nothing", no_new_privileges},
            {"capabilities", "root has no capability that leads out", capabilities},
            {"the_guest_and_users", "an ordinary user reaches neither the guest's memory nor its socket", the_guest_and_users},
            {"the_program_of_the_guest", "the guest's program cannot be replaced", the_program_of_the_guest},
            {"a_socket_that_is_replaced", "a link in the place of the sandbox's socket leads nobody astray",
             a_socket_that_is_replaced},
            {"links_to_the_host", "links in the sandbox do not lead the host to its own files", links_to_the_host},
            {"between_files", "two sandboxes: files", between_files},
            {"between_processes", "two sandboxes: processes", between_processes},
            {"between_abstract_sockets", "two sandboxes: abstract Unix sockets", between_abstract_sockets},
            {"between_ipc", "two sandboxes: IPC of System V", between_ipc},
        }};
}

} // namespace sandboxkit::conformance
