// SPDX-License-Identifier: Apache-2.0
// Commands.
#include "conformance/bench.hpp"
#include "conformance/case.hpp"

#include <algorithm>
#include <csignal>

namespace sandboxkit::conformance {
namespace {

ExecRequest command(std::vector<std::string> argv) {
    ExecRequest request;
    request.argv = std::move(argv);
    return request;
}

void arguments(Bench& bench) {
    auto sandbox = bench.start();
    const std::vector<std::string> odd{"a b", "", "*", "$HOME", "`id`", "new\nline", "\"'\\", "ü", "-n", std::string(20000, 'x')};
    auto request = command({"/bin/sh", "-c", "for each; do printf '<%s>' \"$each\"; done", "sh"});
    std::string expected;
    for (const auto& each : odd) {
        request.argv.push_back(each);
        expected += "<" + each + ">";
    }
    bench.equal("what the command got", sandbox.exec(request).standard_output, expected);
}

void exit_codes(Bench& bench) {
    auto sandbox = bench.start();
    for (const int code : {0, 1, 7, 126, 255}) {
        const auto end = sandbox.run("exit " + std::to_string(code)).end;
        bench.check(end.exit_code == code && end.signal == 0, "the exit code " + std::to_string(code),
                    std::to_string(end.exit_code));
    }
}

void missing_program(Bench& bench) {
    auto sandbox = bench.start();
    // An error at the start; or, where that is how the server tells it, an end with the shells' code for it.
    auto result = bench.wait(sandbox.client().start(command({"/no/such/program"})));
    while (result) {
        const auto event = bench.get("reading", (*result)->next());
        if (!event.end) continue;
        bench.check(event.end->exit_code == 127, "a program that is not there ends with 127",
                    std::to_string(event.end->exit_code));
        break;
    }
    bench.check(sandbox.works("true"), "others can, afterwards");
}

void signals(Bench& bench) {
    auto sandbox = bench.start();
    bench.check(sandbox.run("kill -9 $$").end.signal == SIGKILL, "a death by signal 9 is told");
    auto stream = bench.get("starting", sandbox.client().start(command({"/bin/sh", "-c", "echo ready; exec sleep 1000"})));
    (void)bench.get("reading", stream->next());
    bench.get("sending SIGTERM", sandbox.client().send_signal(stream->pid(), SIGTERM));
    for (;;) {
        auto event = bench.get("reading the end", stream->next());
        if (!event.end) continue;
        bench.check(event.end->signal == SIGTERM, "the signal that was sent ended it", std::to_string(event.end->signal));
        return;
    }
}

void standard_input(Bench& bench) {
    auto sandbox = bench.start();
    auto request = command({"/bin/sh", "-c", "cat > /root/in; cat /root/in"}); // nobody reads before all was written
    bench.equal("input when none is given", sandbox.exec(request).standard_output, "");
    request.standard_input = true;
    std::string bytes;
    for (int i = 0; i < 1 << 20; ++i) bytes += static_cast<char>(i * 7 + (i >> 8));
    const auto result = sandbox.exec(request, bytes);
    bench.check(result.standard_output == bytes, "a megabyte of all bytes comes back as it was");
}

void environment_and_directory(Bench& bench) {
    auto sandbox = bench.start();
    auto request = command({"/bin/sh", "-c", "printf '%s|%s|%s' \"$ODD\" \"$EMPTY\" \"$(pwd)\"; test -n \"$PATH\""});
    request.environment = {{"ODD", "a b=c\n$x"}, {"EMPTY", ""}};
    request.cwd = "/etc";
    const auto result = sandbox.exec(request);
    bench.equal("environment and directory", result.standard_output, "a b=c\n$x||/etc");
    bench.check(result.end.exit_code == 0, "there is a PATH");
    request.cwd = "/no/such/directory";
    bench.check(bench.wait(sandbox.client().start(request)).has_error(), "a working directory that is not there is an error");
}

void user(Bench& bench) {
    auto sandbox = bench.start();
    bench.equal("the user when none is named", sandbox.text("id -u"), "0\n");
    sandbox.need_user("nobody");
    const auto id = sandbox.text("grep '^nobody:' /etc/passwd | cut -d: -f3");
    bench.equal("the user that was named", sandbox.text("id -u", "nobody"), id);
    bench.check(!sandbox.works("echo x > /root/x", "nobody"), "it has its own rights only");
    auto request = command({"/bin/sh", "-c", "true"});
    request.user = "no-such-user";
    bench.check(bench.wait(sandbox.client().start(request)).has_error(), "a user who is not there is an error");
}

void timeout_ends_the_group(Bench& bench) {
    auto sandbox = bench.start();
    auto request = command({"/bin/sh", "-c", "sleep 1000 & echo $! > /root/child; wait"});
    request.timeout = std::chrono::milliseconds(700);
    const auto begin = std::chrono::steady_clock::now();
    const auto end = sandbox.exec(request).end;
    bench.check(end.timed_out, "the time limit is told");
    bench.check(std::chrono::steady_clock::now() - begin < std::chrono::seconds(30), "it ends about when it should");
    bench.check(!sandbox.works("kill -0 $(cat /root/child)"), "the children of the command ended with it");
}

void much_output(Bench& bench) {
    auto sandbox = bench.start();
    std::string expected;
    for (int i = 1; i <= 1'400'000; ++i) expected += std::to_string(i) + "\n";
    const auto result = sandbox.run("seq 1 1400000");
    bench.check(result.standard_output == expected, "10 MB come exactly",
                std::to_string(result.standard_output.size()) + " bytes");
}

void two_streams(Bench& bench) {
    auto sandbox = bench.start();
    const auto result = sandbox.run("echo out; echo err >&2; echo out");
    bench.equal("standard output", result.standard_output, "out\nout\n");
    bench.equal("standard error", result.standard_error, "err\n");
}

void background(Bench& bench) {
    auto sandbox = bench.start();
    // Silent at first: what the first listener was told, the second is not.
    const char* script = "until [ -e /root/go ]; do sleep 0.1; done; echo first; exec sleep 1000";
    auto stream = bench.get("starting", sandbox.client().start(command({"/bin/sh", "-c", script}), "background"));
    const auto pid = stream->pid();
    stream.reset();
    const auto all = bench.get("listing processes", sandbox.client().list());
    const auto found = std::ranges::find(all, pid, &ProcessInfo::pid);
    bench.require(found != all.end(), "a process that nobody listens to runs on and is listed");
    bench.equal("what it is called", found->id, "background");
    auto again = bench.get("attaching", sandbox.client().connect(envd::ProcessSelector(pid)));
    (void)sandbox.text("touch /root/go");
    bench.equal("its output", bench.get("reading", again->next()).bytes, "first\n");
    bench.get("sending SIGKILL", sandbox.client().send_signal(pid, SIGKILL));
    bench.check(bench.get("reading the end", again->next()).end.has_value(), "its end is told");
}

void terminal(Bench& bench) {
    auto sandbox = bench.start();
    auto request = command({"/bin/sh", "-c", "test -t 0 && test -t 1 && test -t 2 && stty size"});
    request.terminal = TerminalSize{100, 40};
    const auto result = sandbox.exec(request);
    bench.check(result.end.exit_code == 0, "all three streams are a terminal");
    bench.equal("its size", result.standard_output, "40 100\r\n");
}

void orphans_are_reaped(Bench& bench) {
    auto sandbox = bench.start();
    (void)sandbox.text("for i in $(seq 1 50); do (sh -c 'sh -c \"exit 0\" & exit 0' &); done");
    bool clean = false;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!clean && std::chrono::steady_clock::now() < end)
        clean = sandbox.text("cat /proc/[0-9]*/stat 2>/dev/null | grep -c ') Z ' || true") == "0\n";
    bench.check(clean, "orphans that ended do not stay as zombies");
}

} // namespace

Group exec_cases() {
    return {"exec",
            {
                {"arguments", "arguments arrive as they were, whatever is in them", arguments},
                {"exit_codes", "exit codes from 0 to 255 are told", exit_codes},
                {"missing_program", "a program that is not there is an error", missing_program},
                {"signals", "signals arrive, and a death by signal is told", signals},
                {"standard_input", "there is none, or all of what was sent", standard_input},
                {"environment_and_directory", "environment and working directory are those asked for", environment_and_directory},
                {"user", "a command runs as root, or as the user asked for", user},
                {"timeout_ends_the_group", "a time limit ends the command and its children", timeout_ends_the_group},
                {"much_output", "10 MB of output come exactly", much_output},
                {"two_streams", "standard output and error are told apart", two_streams},
                {"background", "a process that nobody listens to runs on, is listed and can be attached to", background},
                {"terminal", "a command gets a terminal of the size asked for", terminal},
                {"orphans_are_reaped", "orphans that ended are reaped", orphans_are_reaped},
            }};
}

} // namespace sandboxkit::conformance
