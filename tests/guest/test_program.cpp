// SPDX-License-Identifier: Apache-2.0
// The program as the provider starts it: arguments, descriptors, PID 1, the system-call filter; and how large it is.
#include "live_guest.hpp"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

using namespace sandboxkit::guest::test;

namespace {

// Denies mkdir(2) and mkdirat(2), and close_range(2), which programs have to do without.
std::array<sock_filter, 9> deny_mkdir() {
    return {{
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
#ifdef SYS_mkdir
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mkdir, 3, 0),
#else
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mkdirat, 3, 0),
#endif
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mkdirat, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close_range, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    }};
}

int memory_file(const void* bytes, std::size_t size) {
    const int fd = ::memfd_create("filter", 0);
    if (::write(fd, bytes, size) != static_cast<ssize_t>(size)) ::abort();
    return fd; // its offset is at the end: the guest reads from the beginning
}

int listening_socket(const std::string& path) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size());
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || ::listen(fd, 16) != 0) ::abort();
    return fd;
}

long status_field(pid_t pid, const std::string& name) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(file, line);)
        if (line.starts_with(name + ":")) return std::stol(line.substr(name.size() + 1));
    return -1;
}

} // namespace

TEST_CASE("wrong arguments are refused with the reason") {
    const auto refused = [](const std::vector<std::string>& arguments, int code, std::string_view reason) {
        const auto result = run_guest(arguments);
        const auto& said = result.second;
        CHECK(result.first == code);
        CHECK_MESSAGE(said.find(reason) != std::string::npos, said);
    };
    refused({}, 64, "exactly one of --listen-fd and --listen-unix");
    refused({"--listen-fd", "9999"}, 64, "descriptor 9999 is not open");
    refused({"--listen-fd", "1"}, 64, "from 3 on");
    refused({"--listen-fd", "3x"}, 64, "from 3 on");
    refused({"--listen-fd"}, 64, "needs a value");
    refused({"--verbose"}, 64, "unknown argument '--verbose'");
    refused({"--listen-unix", "/x", "--workdir", "relative"}, 64, "--workdir has to be absolute");
    refused({"--listen-unix", "/no/such/directory/s"}, 1, "cannot listen on /no/such/directory/s: No such file or directory");
    refused({"--listen-unix", "/" + std::string(200, 'x')}, 1, "longer than");

    const int not_a_socket = ::open("/dev/null", O_RDONLY);
    refused({"--listen-fd", std::to_string(not_a_socket)}, 1, "is not a listening Unix stream socket");
    const TemporaryDirectory directory;
    const int empty = memory_file("", 0);
    refused({"--listen-unix", directory.path("s"), "--seccomp-fd", std::to_string(empty)}, 1, "0 bytes are not a filter");
    const int odd = memory_file("123456789", 9);
    refused({"--listen-unix", directory.path("s2"), "--seccomp-fd", std::to_string(odd)}, 1, "9 bytes are not a filter");
    const int nonsense = memory_file("\xff\xff\xff\xff\xff\xff\xff\xff", 8);
    refused({"--listen-unix", directory.path("s3"), "--seccomp-fd", std::to_string(nonsense)}, 1,
            "the kernel does not take the filter");
    for (const int fd : {not_a_socket, empty, odd, nonsense}) ::close(fd);
}

TEST_CASE("descriptors from the host: the socket, the filter, one that is held; none reaches a process") {
    const TemporaryDirectory directory;
    const int listener = listening_socket(directory.path("handed"));
    const auto filter = deny_mkdir();
    const int filter_fd = memory_file(filter.data(), sizeof filter);
    int held[2];
    REQUIRE(::pipe(held) == 0);

    const pid_t pid = ::fork();
    if (pid == 0) {
        const std::string listen_fd = std::to_string(listener);
        const std::string seccomp_fd = std::to_string(filter_fd);
        const std::string hold_fd = std::to_string(held[1]);
        ::close(held[0]);
        ::setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
        ::execl("/proc/self/exe", "guest", "--guest", "--listen-fd", listen_fd.c_str(), "--seccomp-fd", seccomp_fd.c_str(),
                "--hold-fd", hold_fd.c_str(), "--workdir", "/tmp", nullptr);
        ::_exit(127);
    }
    ::close(listener);
    ::close(filter_fd);
    ::close(held[1]);
    EventStream run(Client(directory.path("handed")), "Start",
                    shell_request("ls /proc/self/fd | wc -l; pwd; mkdir " + directory.path("d") +
                                  " || echo denied; grep -E 'NoNewPrivs|Seccomp:' /proc/self/status; echo hi | cat"),
                    {});
    const auto result = run.rest();
    CHECK(result.out == "4\n/tmp\ndenied\nNoNewPrivs:\t1\nSeccomp:\t2\nhi\n");
    CHECK(Client(directory.path("handed"))
              .request("POST", "/filesystem.Filesystem/MakeDir", {{"Content-Type", "application/json"}},
                       "{\"path\":" + json_string(directory.path("d")) + "}")
              .status == 403);
    // The held descriptor is open as long as the guest is.
    ::fcntl(held[0], F_SETFL, O_NONBLOCK);
    char byte = 0;
    CHECK(::read(held[0], &byte, 1) == -1);
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    CHECK(::read(held[0], &byte, 1) == 0);
    ::close(held[0]);
}

TEST_CASE("its own environment reaches processes when it is asked for, but for what is the user's") {
    LaunchOptions options;
    options.environment = {"OF_THE_IMAGE=a=b", "SHELL=/of/the/image"};
    CHECK(LiveGuest(options).shell("echo [$OF_THE_IMAGE]").out == "[]\n");
    options.arguments = {"--inherit-environment"};
    const LiveGuest guest(options);
    CHECK(guest.shell("echo [$OF_THE_IMAGE]; [ $SHELL = /of/the/image ] || echo of the user").out == "[a=b]\nof the user\n");
}

TEST_CASE("as PID 1 it reaps orphans") {
    if (::geteuid() != 0) {
        MESSAGE("not root: no PID namespace");
        return;
    }
    LaunchOptions options;
    options.new_pid_namespace = true;
    LiveGuest guest(options);
    // Each leaves a grandchild that dies after its parent: an orphan of PID 1.
    CHECK(guest.shell("for i in 1 2 3 4 5; do (sh -c 'exec sleep 0.1' >/dev/null 2>&1 &) ; done; echo started").out ==
          "started\n");
    // Only the guest's children can be zombies; /proc shows the host's numbers, so look for its children.
    const std::string children = "/proc/" + std::to_string(guest.pid()) + "/task/" + std::to_string(guest.pid()) + "/children";
    const auto left = [&] {
        std::ifstream file(children);
        std::string text;
        std::getline(file, text);
        return text;
    };
    for (int i = 0; i < 6000 && !left().empty(); ++i) ::usleep(10'000);
    CHECK(left().empty());
    // Those inside cannot end it, the host can.
    CHECK(guest.shell("kill -TERM 1; kill -KILL 1; kill -INT 1; echo sent").out == "sent\n");
    CHECK(guest.request("GET", "/health").status == 204);
    const int status = guest.terminate();
    CHECK(WIFEXITED(status));
}

#ifdef SANDBOXKIT_GUEST_PROGRAM
TEST_CASE("the program is static, small, and takes little memory") {
    const std::string program = SANDBOXKIT_GUEST_PROGRAM;
    struct stat status {};
    REQUIRE(::stat(program.c_str(), &status) == 0);
    CHECK(status.st_size < (4 << 20));
    std::ifstream file(program, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    CHECK(bytes.find("/lib64/ld-linux") == std::string::npos); // no interpreter

    LaunchOptions options;
    options.program = program;
    LiveGuest guest(options);
    CHECK(guest.request("GET", "/health").status == 204);
    const long resident = status_field(guest.pid(), "VmRSS");
    MESSAGE("resident when idle: ", resident, " KiB; file: ", status.st_size, " bytes");
    CHECK(resident > 0);
    CHECK(resident <= 3 * 1024);
    CHECK(guest.shell("echo hi").out == "hi\n");
    CHECK(guest.start(R"({"process":{"cmd":"head","args":["-c","30000000","/dev/zero"]}})").rest().out.size() == 30'000'000);
    CHECK(status_field(guest.pid(), "VmRSS") <= 8 * 1024);
    CHECK(WEXITSTATUS(guest.terminate()) == 0);
}

TEST_CASE("a listing is bounded by its bytes, and is not copied") {
    LaunchOptions options;
    options.program = SANDBOXKIT_GUEST_PROGRAM;
    LiveGuest guest(options);
    const std::string directory = guest.directory().path("many");
    std::filesystem::create_directory(directory);
    // Each byte of such a name takes six in JSON, and the name is there twice.
    const auto fill = [&](int from, int to) {
        for (int i = from; i < to; ++i) std::ofstream(directory + "/" + std::string(249, '\1') + std::to_string(i));
    };
    const auto list = [&] { return guest.unary("/filesystem.Filesystem/ListDir", "{\"path\":" + json_string(directory) + "}"); };
    fill(0, 14'000);
    const Reply whole = list();
    CHECK(whole.status == 200);
    CHECK(whole.json().at("entries").as_array().size() == 14'000);
    const long peak = status_field(guest.pid(), "VmHWM");
    MESSAGE("an answer of ", whole.body.size() >> 10, " KiB took up to ", peak, " KiB");
    CHECK(peak <= 128 * 1024);
    fill(14'000, 18'000);
    const Reply refused = list();
    CHECK(refused.status == 429);
    CHECK(refused.json().at("code") == "resource_exhausted");
    CHECK(status_field(guest.pid(), "VmHWM") <= 128 * 1024);
}

TEST_CASE("what slow clients made it keep is given back when they are gone") {
    LaunchOptions options;
    options.program = SANDBOXKIT_GUEST_PROGRAM;
    LiveGuest guest(options);
    const auto resident_within = [&](long least, long most) {
        for (int i = 0; i < 6000; ++i) {
            const long resident = status_field(guest.pid(), "VmRSS");
            if (resident >= least && resident <= most) return true;
            ::usleep(10'000);
        }
        return false;
    };
    {
        std::vector<EventStream> unread;
        for (int i = 0; i < 200; ++i)
            unread.push_back(guest.start(R"({"process":{"cmd":"head","args":["-c","20000000","/dev/zero"]},"stdin":false})"));
        CHECK(resident_within(32 * 1024, 64 * 1024));
    }
    // What remains is the output that is kept for whoever asks for it later, 16 MiB of all processes together.
    CHECK(resident_within(0, 30 * 1024));
}
#endif
