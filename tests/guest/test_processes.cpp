// SPDX-License-Identifier: Apache-2.0
// How processes behave: groups, time limits, slow and absent readers, many at once.
#include "live_guest.hpp"

#include "guest/encoding.hpp"
#include "net/connect_envelope.hpp"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

using namespace sandboxkit::guest::test;

namespace {

std::string read_file(const std::string& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

// Waits until the condition holds, a minute at most.
template <class Condition>
bool eventually(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return false;
        ::usleep(2000);
    }
    return true;
}

bool gone(pid_t pid) {
    const std::string status = read_file("/proc/" + std::to_string(pid) + "/stat");
    return status.empty() || status.find(") Z ") != std::string::npos;
}

bool gone(const std::string& file_with_pid) {
    return gone(static_cast<pid_t>(std::stol(read_file(file_with_pid))));
}

std::ptrdiff_t pipes_of(pid_t pid) {
    std::error_code gone_meanwhile;
    return std::ranges::count_if(
        std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd"),
        [&](const auto& fd) { return std::filesystem::read_symlink(fd, gone_meanwhile).string().starts_with("pipe:"); });
}

std::string signal_request(std::uint32_t pid, std::string_view signal) {
    return R"({"process":{"pid":)" + std::to_string(pid) + "}," + std::string(signal) + "}";
}

} // namespace

TEST_CASE("signals reach the whole group, by name and by number") {
    const LiveGuest guest;
    const std::string child = guest.directory().path("child");
    EventStream tree = guest.start(shell_request("sleep 1000 & echo $! > " + child + "; echo ready; wait"));
    tree.next();
    CHECK(guest.unary("/process.Process/SendSignal", signal_request(tree.pid, R"("signal":"SIGNAL_SIGKILL")")).status == 200);
    CHECK(tree.rest().end.at("signal") == 9);
    CHECK(eventually([&] { return gone(child); }));

    EventStream trap = guest.start(shell_request("trap 'echo got; exit 5' USR1; echo ready; while :; do sleep 0.01; done"));
    trap.next();
    CHECK(guest.unary("/process.Process/SendSignal", signal_request(trap.pid, R"("signalNumber":10)")).status == 200);
    const auto result = trap.rest();
    CHECK(result.out == "got\n");
    CHECK(result.end.at("exitCode") == 5);

    EventStream sleeper = guest.start(R"({"process":{"cmd":"sleep","args":["1000"]}})");
    CHECK(guest.unary("/process.Process/SendSignal", signal_request(sleeper.pid, R"("signalNumber":65)")).status == 400);
    CHECK(guest.unary("/process.Process/SendSignal", signal_request(sleeper.pid, R"("signal":"SIGNAL_SIGHUP")")).status == 400);
    CHECK(guest.unary("/process.Process/SendSignal", signal_request(sleeper.pid, R"("signal":"SIGNAL_SIGTERM")")).status == 200);
    CHECK(sleeper.rest().end.at("signal") == 15);
    CHECK(guest.unary("/process.Process/SendSignal", signal_request(sleeper.pid, R"("signal":"SIGNAL_SIGTERM")")).status == 404);
}

TEST_CASE("the time limit kills the group and is told in the way the client understands") {
    const LiveGuest guest;
    const std::string child = guest.directory().path("child");
    const std::string script = "sleep 1000 & echo $! > " + child + "; echo before; wait";
    auto result = guest.shell(script, {{"Connect-Timeout-Ms", "300"}});
    CHECK(result.out == "before\n");
    CHECK(result.end.empty());
    CHECK(result.end_of_stream.at("error") ==
          boost::json::object{{"code", "deadline_exceeded"}, {"message", "context deadline exceeded"}});
    CHECK(eventually([&] { return gone(child); }));

    result = guest.shell(script, {{"Connect-Timeout-Ms", "300"}, {"Sandboxkit-Extensions", "1"}});
    CHECK(result.end.at("timedOut") == true);
    CHECK(result.end.at("signal") == 9);
    CHECK(result.end_of_stream.empty());
    CHECK(eventually([&] { return gone(child); }));

    // Also when the client has gone away meanwhile.
    EventStream leaves = guest.start(shell_request(script), {{"Connect-Timeout-Ms", "300"}});
    leaves.close();
    CHECK(eventually([&] { return guest.unary("/process.Process/List", "{}").json().empty(); }));
    CHECK(guest.attach(leaves.pid).rest().end.at("timedOut") == true);

    CHECK(guest.shell("echo quick", {{"Connect-Timeout-Ms", "60000"}}).end.at("status") == "exit status 0");
    // The limit of Connect is the stream's, not the process's.
    EventStream sleeper = guest.start(R"({"process":{"cmd":"sleep","args":["1000"]}})");
    CHECK(guest.attach(sleeper.pid, {{"Connect-Timeout-Ms", "50"}}).rest().end_of_stream.at("error").at("code") ==
          "deadline_exceeded");
    CHECK(guest.unary("/process.Process/List", "{}").json().contains("processes"));
}

TEST_CASE("keep-alives while nothing happens") {
    const LiveGuest guest;
    CHECK(guest.shell("sleep 1.5", {{"Keepalive-Ping-Interval", "1"}}).keepalives >= 1);
}

TEST_CASE("a client that leaves does not end the process, and the next one gets what was said meanwhile") {
    const LiveGuest guest;
    const std::string go = guest.directory().path("go");
    ::mkfifo(go.c_str(), 0600);
    EventStream first = guest.start(shell_request("echo one; read x < " + go + "; echo two; echo three >&2; exit 4"));
    const std::uint32_t pid = first.pid;
    first.next();
    first.close();
    // Nobody is attached when the hang-up has been seen; only the listing can be asked, so the order does not matter here.
    std::ofstream(go) << "x\n";
    CHECK(eventually([&] { return guest.unary("/process.Process/List", "{}").json().empty(); }));
    const auto result = guest.attach(pid).rest();
    CHECK(result.out == "two\n");
    CHECK(result.err == "three\n");
    CHECK(result.end.at("exitCode") == 4);
    // Told once, not twice; the end again.
    const auto again = guest.attach(pid).rest();
    CHECK(again.out.empty());
    CHECK(again.end.at("exitCode") == 4);
}

TEST_CASE("a flood while nobody listens is kept, and of a large one the last") {
    const LiveGuest guest;
    for (const std::size_t size : {5'000'000, 90'000'000}) {
        EventStream flood = guest.start(shell_request("sleep 0.1; head -c " + std::to_string(size) + " /dev/zero; printf last"));
        flood.close();
        CHECK(eventually([&] { return guest.unary("/process.Process/List", "{}").json().empty(); }));
        const auto result = guest.attach(flood.pid).rest();
        CHECK(result.out.ends_with("last"));
        CHECK(result.out.size() >= std::min<std::size_t>(size + 4, 56 << 20));
        CHECK(result.out.size() <= std::min<std::size_t>(size + 4, 66 << 20));
    }
}

TEST_CASE("a slow reader holds up the process, and gets every byte") {
    const LiveGuest guest;
    const std::string done = guest.directory().path("done");
    EventStream slow = guest.start(
        shell_request("head -c 1000000 /dev/zero | tr '\\0' 'a'; head -c 4000000 /dev/zero | tr '\\0' 'b'; touch " + done));
    // Five megabytes are more than pipe, socket and queue hold together: without a reader it does not finish.
    ::usleep(300'000);
    CHECK(::access(done.c_str(), F_OK) != 0);
    // Others are served meanwhile.
    CHECK(guest.shell("echo hi").out == "hi\n");
    const auto result = slow.rest();
    CHECK(result.out.size() == 5'000'000);
    CHECK(result.out.substr(0, 1'000'000) == std::string(1'000'000, 'a'));
    CHECK(result.out.substr(1'000'000) == std::string(4'000'000, 'b'));
}

TEST_CASE("among several readers a slow one does not block the others, and catches up unless it is too far behind") {
    const LiveGuest guest;
    const std::string go = guest.directory().path("go");
    ::mkfifo(go.c_str(), 0600);
    for (const std::size_t size : {20'000'000, 100'000'000}) {
        EventStream slow = guest.start(shell_request("read x < " + go + "; head -c " + std::to_string(size) + " /dev/zero"));
        EventStream fast = guest.attach(slow.pid, {{"Sandboxkit-Frames", "raw"}});
        std::ofstream(go) << "x\n";
        const auto result = fast.rest();
        CHECK(result.out.size() == size);
        CHECK(result.end.at("status") == "exit status 0");
        const auto late = slow.rest();
        if (size == 20'000'000) {
            CHECK(late.out.size() == size);
            CHECK(late.end.at("status") == "exit status 0");
        } else {
            CHECK(late.end.empty());
            CHECK(late.end_of_stream.at("error").at("code") == "resource_exhausted");
        }
    }
}

TEST_CASE("standard input: streaming, back-pressure, none at all") {
    const LiveGuest guest;
    EventStream cat = guest.start(R"({"process":{"cmd":"cat"}})");
    const auto select = R"({"process":{"pid":)" + std::to_string(cat.pid) + "}";
    std::string expected;
    Client input = guest.connect();
    for (int i = 0; i < 50; ++i) {
        const std::string piece = "line " + std::to_string(i) + "\n" + std::string(2000, static_cast<char>('a' + i % 26));
        expected += piece;
        std::string message = select + R"(,"input":{"stdin":")";
        sandboxkit::guest::append_base64(message, piece);
        CHECK(input.request("POST", "/process.Process/SendInput", {{"Content-Type", "application/json"}}, message + "\"}}")
                  .status == 200);
    }
    CHECK(guest.unary("/process.Process/CloseStdin", select + "}").status == 200);
    CHECK(cat.rest().out == expected);

    // A process that does not read: the answer waits, and the end of the process is the answer.
    EventStream deaf = guest.start(R"({"process":{"cmd":"sleep","args":["1000"]}})");
    const auto deaf_select = R"({"process":{"pid":)" + std::to_string(deaf.pid) + "}";
    std::string message = deaf_select + R"(,"input":{"stdin":")";
    sandboxkit::guest::append_base64(message, std::string(500'000, 'x'));
    Client waiting = guest.connect();
    waiting.send(request_bytes("POST", "/process.Process/SendInput", {{"Content-Type", "application/json"}}, message + "\"}}"));
    CHECK(guest.unary("/process.Process/SendSignal", deaf_select + R"(,"signal":"SIGNAL_SIGKILL"})").status == 200);
    CHECK(deaf.rest().end.at("signal") == 9);
    const int status = waiting.read_reply().status;
    CHECK((status == 500 || status == 404)); // before or after it was known to be dead

    CHECK(guest.start(R"({"process":{"cmd":"cat"},"stdin":false})").rest().out.empty());
    EventStream none = guest.start(R"({"process":{"cmd":"sleep","args":["1000"]},"stdin":false})");
    const auto none_select = R"({"process":{"pid":)" + std::to_string(none.pid) + "}";
    CHECK(guest.unary("/process.Process/SendInput", none_select + R"(,"input":{"stdin":"YQ=="}})").status == 500);
    CHECK(guest.unary("/process.Process/CloseStdin", none_select + "}").status == 200);
}

TEST_CASE("a descendant that keeps the pipes open delays the end by a bounded time only") {
    const LiveGuest guest;
    const std::string child = guest.directory().path("child");
    const auto result = guest.shell("sleep 1000 & echo $! > " + child + "; echo done");
    CHECK(result.out == "done\n");
    CHECK(result.end.at("status") == "exit status 0");
    // It is not killed: that is for who started it.
    const auto pid = static_cast<pid_t>(std::stol(read_file(child)));
    CHECK(!gone(pid));
    ::kill(pid, SIGKILL);
}

TEST_CASE("a descendant that outlives its command can go on writing, to nobody") {
    const LiveGuest guest;
    const std::string go = guest.directory().path("go");
    const std::string told = guest.directory().path("told");
    ::mkfifo(go.c_str(), 0600);
    const std::ptrdiff_t before = pipes_of(guest.pid());
    const auto result =
        guest.shell("{ read x < " + go + "; head -c 1000000 /dev/zero && echo more && echo more >&2 && echo yes > " + told +
                    " || echo no > " + told + "; } & echo started");
    CHECK(result.out == "started\n");
    CHECK(result.end.at("status") == "exit status 0");
    std::ofstream(go) << "x\n";
    CHECK(eventually([&] { return !read_file(told).empty(); }));
    CHECK(read_file(told) == "yes\n");
    // Nothing is kept when it has ended, too.
    CHECK(eventually([&] { return pipes_of(guest.pid()) == before; }));
}

TEST_CASE("pipes of ended commands are held in bounded number") {
    LaunchOptions options;
    options.descriptor_limit = 160;
    const LiveGuest guest(options);
    const std::ptrdiff_t before = pipes_of(guest.pid());
    std::vector<EventStream> streams;
    for (int i = 0; i < 20; ++i) streams.push_back(guest.start(shell_request("sleep 1000 & echo $!")));
    std::vector<pid_t> left;
    for (EventStream& stream : streams) left.push_back(static_cast<pid_t>(std::stol(stream.rest().out)));
    streams.clear();
    // An eighth of the descriptors that processes may take.
    CHECK(eventually([&] { return pipes_of(guest.pid()) == before + (160 - 64) / 8; }));
    CHECK(guest.shell("echo hi").out == "hi\n");
    for (const pid_t pid : left) ::kill(pid, SIGKILL);
    CHECK(eventually([&] { return pipes_of(guest.pid()) == before; }));
}

TEST_CASE("whoever listens to a process hears its end, also when its number is given again") {
    if (::geteuid() != 0) {
        MESSAGE("not root: no namespace of processes can be made");
        return;
    }
    LaunchOptions options;
    options.new_pid_namespace = true;
    const LiveGuest guest(options);
    // Its output stays open, in a session and group of another number: "ready" is said there. Until its parent is
    // gone as well the number is in use.
    EventStream first = guest.start(shell_request("setsid sh -c 'echo ready; exec sleep 1000' & exit 7", R"(,"tag":"first")"));
    first.next();
    REQUIRE(eventually([&] { return guest.shell("kill -0 " + std::to_string(first.pid)).end.at("status") != "exit status 0"; }));
    std::vector<EventStream> others;
    const std::string before = std::to_string(first.pid - 1);
    for (int i = 0; i < 100 && (others.empty() || others.back().pid != first.pid); ++i) {
        REQUIRE(guest.shell("echo " + before + " > /proc/sys/kernel/ns_last_pid").end.at("status") == "exit status 0");
        others.push_back(guest.start(shell_request("echo other; sleep 1000")));
    }
    REQUIRE(others.back().pid == first.pid);
    CHECK(first.rest().end.at("exitCode") == 7);
    EventStream second = guest.attach(first.pid);
    CHECK(guest.unary("/process.Process/SendSignal", signal_request(first.pid, R"("signalNumber":9)")).status == 200);
    CHECK(second.rest().end.at("signal") == 9);
}

TEST_CASE("a listing of processes is bounded by its bytes") {
    const LiveGuest guest;
    const auto list = [&] { return guest.unary("/process.Process/List", "{}"); };
    std::string arguments = R"("-c","exec sleep 1000")";
    for (int i = 0; i < 14; ++i) arguments += ",\"" + std::string(120'000, '\x7f') + '"'; // each takes six times that
    std::vector<EventStream> streams;
    while (streams.size() < 4) streams.push_back(guest.start(R"({"process":{"cmd":"/bin/sh","args":[)" + arguments + "]}}"));
    CHECK(list().json().at("processes").as_array().size() == 4);
    while (streams.size() < 6) streams.push_back(guest.start(R"({"process":{"cmd":"/bin/sh","args":[)" + arguments + "]}}"));
    const Reply refused = list();
    CHECK(refused.status == 429);
    CHECK(refused.json().at("code") == "resource_exhausted");
}

TEST_CASE("a thousand background processes: each is listed, found by its tag, and ended") {
    const LiveGuest guest;
    std::set<std::string> tags;
    for (int i = 0; i < 1000; ++i) {
        const std::string tag = "t" + std::to_string(i);
        CHECK(guest.start(R"({"process":{"cmd":"sleep","args":["1000"]},"stdin":false,"tag":")" + tag + "\"}").pid != 0);
        tags.insert(tag);
    }
    const auto listed = guest.unary("/process.Process/List", "{}").json();
    std::set<std::string> found;
    for (const auto& process : listed.at("processes").as_array()) found.emplace(process.at("tag").as_string());
    CHECK(found == tags);
    for (const std::string& tag : tags) {
        const std::string select = R"({"process":{"tag":")" + tag + "\"}";
        CHECK(guest.unary("/process.Process/SendSignal", select + R"(,"signal":"SIGNAL_SIGKILL"})").status == 200);
        CHECK(EventStream(guest.connect(), "Connect", select + "}", {}).rest().end.at("signal") == 9);
    }
    CHECK(guest.unary("/process.Process/List", "{}").json().empty());
}

TEST_CASE("three hundred processes at once") {
    const LiveGuest guest;
    const std::string go = guest.directory().path("go");
    std::vector<EventStream> streams;
    for (int i = 0; i < 300; ++i)
        streams.push_back(guest.start(shell_request("until [ -e " + go + " ]; do sleep 0.3; done; echo " + std::to_string(i))));
    CHECK(guest.unary("/process.Process/List", "{}").json().at("processes").as_array().size() == 300);
    std::ofstream(go) << "x";
    bool all = true;
    for (int i = 0; i < 300; ++i) all = streams[static_cast<std::size_t>(i)].rest().out == std::to_string(i) + "\n" && all;
    CHECK(all);
    CHECK(guest.unary("/process.Process/List", "{}").json().empty());
}

TEST_CASE("when descriptors run out, starting is refused and the rest works") {
    LaunchOptions options;
    options.descriptor_limit = 160;
    const LiveGuest guest(options);
    std::vector<std::uint32_t> pids;
    boost::json::object refusal;
    for (int i = 0; i < 100 && refusal.empty(); ++i) {
        EventStream stream = guest.start(R"({"process":{"cmd":"sleep","args":["1000"]}})");
        refusal = stream.refusal;
        if (stream.pid != 0) pids.push_back(stream.pid);
    }
    REQUIRE(!refusal.empty());
    CHECK(refusal.at("error").at("code") == "resource_exhausted");
    CHECK(pids.size() > 10);
    for (const std::uint32_t pid : pids)
        CHECK(guest.unary("/process.Process/SendSignal", signal_request(pid, R"("signalNumber":9)")).status == 200);
    CHECK(eventually([&] { return guest.unary("/process.Process/List", "{}").json().empty(); }));
    CHECK(guest.shell("ulimit -n").out == "160\n");
}

TEST_CASE("when processes run out, starting is refused and signals still arrive") {
    // cgroup v2, or v1 with its own hierarchy.
    std::string group;
    for (const char* root : {"/sys/fs/cgroup/pids", "/sys/fs/cgroup"}) {
        group = std::string(root) + "/sandboxkit-guest-test-" + std::to_string(::getpid());
        std::error_code ec;
        if (std::filesystem::create_directory(group, ec) && std::filesystem::exists(group + "/pids.max")) break;
        std::filesystem::remove(group, ec);
        group.clear();
    }
    if (group.empty()) {
        MESSAGE("no cgroup with a limit of processes can be made here");
        return;
    }
    {
        const LiveGuest guest;
        std::ofstream(group + "/cgroup.procs") << guest.pid();
        std::ofstream(group + "/pids.max") << 4;
        std::vector<std::uint32_t> pids;
        boost::json::object refusal;
        for (int i = 0; i < 8 && refusal.empty(); ++i) {
            EventStream stream = guest.start(R"({"process":{"cmd":"sleep","args":["1000"]}})");
            refusal = stream.refusal;
            if (stream.pid != 0) pids.push_back(stream.pid);
        }
        CHECK(pids.size() == 3);
        CHECK(refusal == boost::json::object{{"error",
                                              {{"code", "resource_exhausted"},
                                               {"message", "cannot start another process: the limit of processes is reached"}}}});
        for (const std::uint32_t pid : pids)
            CHECK(guest.unary("/process.Process/SendSignal", signal_request(pid, R"("signalNumber":9)")).status == 200);
        CHECK(eventually([&] { return guest.unary("/process.Process/List", "{}").json().empty(); }));
        CHECK(guest.start(R"({"process":{"cmd":"true"}})").rest().end.at("status") == "exit status 0");
    }
    std::error_code ec;
    CHECK(eventually([&] { return std::filesystem::remove(group, ec) || !std::filesystem::exists(group); }));
}

TEST_CASE("a child that is kept from its program is given up, and holds up nothing else") {
    const LiveGuest guest;
    const std::string program = guest.directory().path("program");
    std::filesystem::copy_file("/bin/true", program);
    // Whoever executes the file has to wait for the lease, or for the system's time for giving leases back: 45 s.
    ::signal(SIGIO, SIG_IGN);
    const int lease = ::open(program.c_str(), O_RDWR | O_CLOEXEC);
    REQUIRE(::fcntl(lease, F_SETLEASE, F_WRLCK) == 0);
    Client held_up = guest.connect();
    held_up.send(request_bytes("POST", "/process.Process/Start", {{"Content-Type", "application/connect+json"}},
                               sandboxkit::net::encode_envelope(0, R"({"process":{"cmd":")" + program + R"("}})")));
    const std::string children = "/proc/" + std::to_string(guest.pid()) + "/task/" + std::to_string(guest.pid()) + "/children";
    REQUIRE(eventually([&] { return !read_file(children).empty(); }));
    const auto child = static_cast<pid_t>(std::stol(read_file(children)));
    ::kill(child, SIGSTOP);

    CHECK(guest.request("GET", "/health").status == 204);
    CHECK(guest.shell("echo hi").out == "hi\n");
    CHECK(held_up.read_reply().body.find(R"("code":"unavailable")") != std::string::npos);
    CHECK(eventually([&] { return gone(child); }));
    ::close(lease);
    CHECK(guest.start(R"({"process":{"cmd":")" + program + R"("}})").rest().end.at("status") == "exit status 0");
}

TEST_CASE("what a process inherits") {
    const LiveGuest guest;
    // No descriptor beside the three; its own session; nothing blocked or ignored.
    const auto result = guest.shell("ls /proc/self/fd; cut -d' ' -f5,6 /proc/$$/stat; echo $$; grep -E 'Sig(Blk|Ign)' "
                                    "/proc/self/status; cat /proc/self/oom_score_adj; umask");
    const std::string pid = std::to_string(std::stol(result.out.substr(result.out.find("\n3\n") + 3)));
    CHECK(result.out.starts_with("0\n1\n2\n3\n" + pid + " " + pid + "\n" + pid + "\n")); // 3 is ls itself reading the directory
    CHECK(result.out.find("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n") != std::string::npos);
    CHECK(result.out.ends_with("0022\n"));
    // The guest itself cannot be looked into by those who are not root.
    struct stat status {};
    REQUIRE(::stat(("/proc/" + std::to_string(guest.pid()) + "/fd").c_str(), &status) == 0);
    CHECK(status.st_uid == 0);

    // A script that does not name its interpreter.
    const std::string script = guest.directory().path("script");
    std::ofstream(script) << "echo from a script \"$1\"\n";
    ::chmod(script.c_str(), 0755);
    CHECK(guest.start(R"({"process":{"cmd":")" + script + R"(","args":["a b"]}})").rest().out == "from a script a b\n");
}

TEST_CASE("as another user") {
    if (::geteuid() != 0) {
        MESSAGE("not root: users cannot be changed");
        return;
    }
    const LiveGuest guest;
    const Headers nobody = {{"Authorization", "Basic bm9ib2R5Og=="}};
    const auto result =
        guest.shell("id -un; id -ru; echo $HOME $USER; pwd; echo hi > /dev/stderr; grep -i capeff /proc/self/status", nobody);
    CHECK(result.out == "nobody\n65534\n/nonexistent nobody\n/\nCapEff:\t0000000000000000\n");
    CHECK(result.err == "hi\n");

    const std::string secret = guest.directory().path("secret");
    std::filesystem::create_directory(secret);
    ::chmod(secret.c_str(), 0700);
    CHECK(guest.start(R"({"process":{"cmd":"/bin/true","cwd":")" + secret + R"("}})", nobody).refusal.at("error").at("code") ==
          "invalid_argument");
    // The guest is itself again.
    CHECK(guest.shell("id -u").out == "0\n");
}

TEST_CASE("termination kills what was started") {
    LiveGuest guest;
    const std::string child = guest.directory().path("child");
    EventStream tree = guest.start(shell_request("sleep 1000 & echo $! > " + child + "; echo ready; wait"));
    tree.next();
    const int status = guest.terminate();
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
    CHECK(eventually([&] { return gone(child); }));
    CHECK(::access(guest.socket().c_str(), F_OK) != 0);
}
