// SPDX-License-Identifier: Apache-2.0
// Processes with a terminal in place of pipes.
#include "live_guest.hpp"

#include "guest/encoding.hpp"

#include <doctest/doctest.h>

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <sstream>

using namespace sandboxkit::guest::test;
using sandboxkit::guest::append_base64;
using sandboxkit::guest::decode_base64;

namespace {

std::string terminal_request(std::string_view script, std::string_view more = {}) {
    return R"({"process":{"cmd":"/bin/sh","args":["-c",)" + json_string(script) + "]" + std::string(more) +
           R"(},"pty":{"size":{"cols":100,"rows":30}}})";
}

std::string selector(std::uint32_t pid) {
    return R"({"process":{"pid":)" + std::to_string(pid) + "}";
}

std::string input_request(std::uint32_t pid, std::string_view bytes, std::string_view kind = "pty") {
    std::string text = selector(pid) + R"(,"input":{")" + std::string(kind) + R"(":")";
    append_base64(text, bytes);
    return text + "\"}}";
}

std::string size_request(std::uint32_t pid, std::string_view cols, std::string_view rows) {
    return selector(pid) + R"(,"pty":{"size":{"cols":)" + std::string(cols) + R"(,"rows":)" + std::string(rows) + "}}}";
}

// Reads the terminal until it has said that.
std::string until(EventStream& stream, std::string_view text) {
    std::string said;
    while (said.find(text) == std::string::npos) {
        const auto [payload, end] = stream.next();
        REQUIRE(!end);
        if (const auto* data = payload.at("event").as_object().if_contains("data"))
            said += *decode_base64(std::string_view(data->at("pty").as_string()));
    }
    return said;
}

std::string read_file(const std::string& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

bool gone_soon(const std::string& file_with_pid) {
    const std::string pid = std::to_string(std::stol(read_file(file_with_pid)));
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (std::chrono::steady_clock::now() < end) {
        const std::string status = read_file("/proc/" + pid + "/stat");
        if (status.empty() || status.find(") Z ") != std::string::npos) return true;
        ::usleep(2000);
    }
    return false;
}

std::size_t resident_kib(pid_t pid) {
    const std::string status = read_file("/proc/" + std::to_string(pid) + "/status");
    return std::stoul(status.substr(status.find("VmRSS:") + 6));
}

} // namespace

TEST_CASE("the recorded terminal") {
    const LiveGuest guest;
    const auto result = guest.start(terminal_request("stty size; exit 7")).rest();
    CHECK(result.terminal == "30 100\r\n");
    CHECK(result.out.empty());
    CHECK(result.err.empty());
    CHECK(result.end ==
          boost::json::object{{"exitCode", 7}, {"exited", true}, {"status", "exit status 7"}, {"error", "exit status 7"}});
    CHECK(result.end_of_stream.empty());
}

TEST_CASE("a terminal is all three descriptors, and the controlling one") {
    const LiveGuest guest;
    CHECK(guest
              .start(terminal_request("test -t 0 && test -t 1 && test -t 2 && echo \"$TERM\" > /dev/tty; echo error >&2",
                                      R"(,"envs":{"TERM":"xterm-test"})"))
              .rest()
              .terminal == "xterm-test\r\nerror\r\n");
    if (::geteuid() == 0) {
        std::string user = "Basic ";
        append_base64(user, "nobody:");
        const auto result =
            guest.start(terminal_request("test -O $(tty) && : <> $(tty) && echo mine"), {{"Authorization", user}}).rest();
        CHECK(result.terminal == "mine\r\n");
    }
}

TEST_CASE("what is typed is echoed and edited, and its keys are signals") {
    const LiveGuest guest;
    EventStream shell = guest.start(terminal_request("trap 'echo interrupted' INT; echo ready; cat; exec cat"));
    until(shell, "ready");
    CHECK(guest.unary("/process.Process/SendInput", input_request(shell.pid, "wronk\x7fg\n")).status == 200);
    until(shell, "wrong\r\n");
    CHECK(guest.unary("/process.Process/SendInput", input_request(shell.pid, "\x03")).status == 200);
    until(shell, "interrupted");
    CHECK(guest.unary("/process.Process/SendInput", input_request(shell.pid, "\x04")).status == 200);
    CHECK(shell.rest().end.at("exited") == true);
}

TEST_CASE("input for the one is not for the other, and a terminal's input is not closed") {
    const LiveGuest guest;
    EventStream terminal = guest.start(terminal_request("exec cat"));
    const Reply wrong = guest.unary("/process.Process/SendInput", input_request(terminal.pid, "x", "stdin"));
    CHECK(wrong.status == 500);
    CHECK(wrong.json() == boost::json::object{{"code", "internal"},
                                              {"message", "error writing to stdin: tty assigned to process — input should be "
                                                          "written to the pty, not the stdin"}});
    const Reply closed = guest.unary("/process.Process/CloseStdin", selector(terminal.pid) + "}");
    CHECK(closed.status == 500);
    CHECK(
        closed.json() ==
        boost::json::object{{"code", "unknown"},
                            {"message", "error closing stdin: cannot close stdin for PTY process — send Ctrl+D (0x04) instead"}});
    CHECK(guest.unary("/process.Process/SendInput", input_request(terminal.pid, "\x04")).status == 200);
    CHECK(terminal.rest().end.at("exited") == true);
}

TEST_CASE("a terminal's size is changed, within bounds") {
    const LiveGuest guest;
    EventStream terminal = guest.start(terminal_request("trap 'stty size' WINCH; echo ready; while :; do sleep 0.01; done"));
    until(terminal, "ready");
    const Reply resized = guest.unary("/process.Process/Update", size_request(terminal.pid, "65535", "1"));
    CHECK(resized.status == 200);
    CHECK(resized.json().empty());
    until(terminal, "1 65535\r\n");
    for (const std::string_view bad : {"0", "65536", "-1", "\"x\"", "null"}) {
        CHECK(guest.unary("/process.Process/Update", size_request(terminal.pid, bad, "30")).status == 400);
        CHECK(guest.unary("/process.Process/Update", size_request(terminal.pid, "100", bad)).status == 400);
    }
    // As recorded: without a size there is nothing to do.
    CHECK(guest.unary("/process.Process/Update", selector(terminal.pid) + "}").json().empty());
    CHECK(guest.unary("/process.Process/Update", size_request(4000000000, "80", "24")).status == 404);

    EventStream pipes = guest.start(R"({"process":{"cmd":"cat"}})");
    const Reply refused = guest.unary("/process.Process/Update", size_request(pipes.pid, "80", "24"));
    CHECK(refused.status == 400);
    CHECK(refused.json() ==
          boost::json::object{{"code", "invalid_argument"}, {"message", "error resizing tty: tty not assigned to process"}});
    for (const std::string_view size :
         {"{}", R"({"size":{}})", R"({"size":{"cols":80}})", R"({"size":{"cols":80,"rows":65536}})"}) {
        const EventStream start = guest.start(R"({"process":{"cmd":"true"},"pty":)" + std::string(size) + "}");
        CHECK(start.refusal.at("error").at("code") == "invalid_argument");
    }
}

TEST_CASE("a terminal hangs up when its process ends, for those who are left") {
    const LiveGuest guest;
    const std::string child = guest.directory().path("child");
    const auto result = guest.start(terminal_request("sleep 1000 & echo $! > " + child + "; exit 3")).rest();
    CHECK(result.end.at("exitCode") == 3);
    CHECK(gone_soon(child));
    // One that ignores the hang-up lives on without it, and holds up nobody.
    const auto ignores = guest.start(terminal_request("trap '' HUP; sleep 1000 & echo $! > " + child)).rest();
    CHECK(ignores.end.at("exited") == true);
    REQUIRE(::kill(static_cast<pid_t>(std::stol(read_file(child))), SIGKILL) == 0);
    // Also when it is killed, and by the time limit.
    EventStream killed = guest.start(terminal_request("sleep 1000 & echo $! > " + child + "; wait"),
                                     {{"Connect-Timeout-Ms", "300"}, {"Sandboxkit-Extensions", "1"}});
    CHECK(killed.rest().end.at("timedOut") == true);
    CHECK(gone_soon(child));
}

TEST_CASE("a client that leaves does not hang up the terminal") {
    const LiveGuest guest;
    EventStream first = guest.start(terminal_request("echo ready; read x; echo got $x"));
    until(first, "ready");
    first.close();
    EventStream second = guest.attach(first.pid);
    CHECK(guest.unary("/process.Process/SendInput", input_request(second.pid, "more\n")).status == 200);
    const auto result = second.rest();
    CHECK(result.terminal.ends_with("got more\r\n"));
    CHECK(result.end.at("exited") == true);
}

TEST_CASE("a slow reader holds the terminal up and not the guest, and gets every byte in small chunks") {
    const LiveGuest guest;
    EventStream flood = guest.start(terminal_request("stty raw; head -c 20000000 /dev/zero; exit 5"));
    for (int i = 0; i < 50; ++i) CHECK(guest.request("GET", "/health").status == 204);
    CHECK(guest.unary("/process.Process/List", "{}").json().contains("processes"));
    CHECK(resident_kib(guest.pid()) < 200'000); // with sanitizers; the output alone would be more than its base64 in memory
    const auto result = flood.rest();
    CHECK(result.terminal == std::string(20'000'000, '\0'));
    CHECK(result.largest <= 16 << 10);
    CHECK(result.end.at("exitCode") == 5);
}

TEST_CASE("input that a terminal does not take waits, and the guest does not") {
    const LiveGuest guest;
    EventStream deaf = guest.start(terminal_request("stty raw -echo; echo ready; exec sleep 1000"));
    until(deaf, "ready");
    Client typing = guest.connect();
    const std::string body = input_request(deaf.pid, std::string(1 << 20, 'x'));
    typing.send(request_bytes("POST", "/process.Process/SendInput", {{"Content-Type", "application/json"}}, body));
    CHECK(guest.request("GET", "/health").status == 204);
    CHECK(guest.unary("/process.Process/SendSignal", selector(deaf.pid) + R"(,"signal":"SIGNAL_SIGKILL"})").status == 200);
    const Reply failed = typing.read_reply();
    CHECK(failed.status == 500);
    CHECK(failed.json().at("message") == "error writing to tty: the process has ended");
    CHECK(deaf.rest().end.at("signal") == 9);
}
