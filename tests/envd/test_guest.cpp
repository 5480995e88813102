// SPDX-License-Identifier: Apache-2.0
// The client against the real guest: real processes, input, signals, files.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include "envd/guest_process.hpp"
#include "net/result_text.hpp"

#include <algorithm>

using namespace sandboxkit;
using envd::ProcessInput;
using test::collect;
using test::Guest;
using test::Loop;
using test::run;
using test::shell;
using test::sleeping;

TEST_CASE("commands: output of both streams, environment, working directory, exit code") {
    Guest guest;
    REQUIRE(guest.running());
    Loop loop;
    const auto client = guest.client(loop);
    auto request = shell("echo out; echo err >&2; echo $A $PWD; exit 3");
    request.environment = {{"A", "a b"}};
    request.cwd = "/tmp";
    const auto result = loop.run(run(client, request));
    REQUIRE(result);
    CHECK(result->out == "out\na b /tmp\n");
    CHECK(result->err == "err\n");
    CHECK(result->end == ProcessEnd{3, 0, false});
}

TEST_CASE("every byte of a large output arrives, in order") {
    Guest guest;
    REQUIRE(guest.running());
    Loop loop;
    const auto result = loop.run(run(guest.client(loop), shell("seq 1 200000")));
    REQUIRE(result);
    std::string expected;
    for (int i = 1; i <= 200000; ++i) expected += std::to_string(i) + "\n";
    CHECK(result->out.size() == expected.size());
    CHECK((result->out == expected));
}

TEST_CASE("input, in order and to its end") {
    Guest guest;
    REQUIRE(guest.running());
    Loop loop;
    const auto client = guest.client(loop);
    auto request = shell("exec cat");
    request.standard_input = true;
    auto process = loop.run(client->start(request));
    REQUIRE(process);
    std::string bytes(300'000, '\0');
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7 + i / 256);
    auto output = loop.start(collect(*process));
    REQUIRE(loop.run(client->send_input((*process)->pid(), bytes, ProcessInput::standard_input)));
    REQUIRE(loop.run(client->close_stdin((*process)->pid())));
    const auto result = loop.finish(output);
    REQUIRE(result);
    CHECK((result->out == bytes));
    CHECK(result->end == ProcessEnd{0, 0, false});
    const auto none = loop.run(client->send_input((*process)->pid(), "x", ProcessInput::standard_input));
    CHECK(!none);
}

TEST_CASE("signals, the time limit, and how they are reported") {
    Guest guest;
    REQUIRE(guest.running());
    Loop loop;
    const auto client = guest.client(loop);
    for (const int signal : {SIGKILL, SIGTERM, SIGINT, SIGUSR1}) {
        CAPTURE(signal);
        auto process = loop.run(client->start(sleeping()));
        REQUIRE(process);
        REQUIRE(loop.run(client->send_signal((*process)->pid(), signal)));
        const auto result = loop.run(collect(*process));
        REQUIRE(result);
        CHECK(result->end == ProcessEnd{-1, signal, false});
    }
    auto limited = sleeping();
    limited.timeout = std::chrono::milliseconds(50);
    const auto result = loop.run(run(client, limited));
    REQUIRE(result);
    CHECK(result->end.timed_out);
    CHECK(result->end.signal == SIGKILL);
    CHECK(result->end.exit_code == -1);
}

TEST_CASE("a running process is listed, and can be connected to") {
    Guest guest;
    REQUIRE(guest.running());
    Loop loop;
    const auto client = guest.client(loop);
    auto request = shell("read line; echo got $line");
    request.standard_input = true;
    auto process = loop.run(client->start(request, "a-tag"));
    REQUIRE(process);
    const auto pid = (*process)->pid();
    const auto list = loop.run(client->list());
    REQUIRE(list);
    const auto found = std::ranges::find(*list, pid, &ProcessInfo::pid);
    REQUIRE(found != list->end());
    CHECK(found->id == "a-tag");
    CHECK(found->argv.at(0) == "/bin/sh");
    auto second = loop.run(client->connect(envd::ProcessSelector(pid)));
    REQUIRE(second);
    CHECK((*second)->pid() == pid);
    process->reset(); // the process does not end with its first stream
    REQUIRE(loop.run(client->send_input(pid, "it\n", ProcessInput::standard_input)));
    const auto result = loop.run(collect(*second));
    REQUIRE(result);
    CHECK(result->out == "got it\n");
    CHECK(result->end == ProcessEnd{0, 0, false});
}

TEST_CASE("files") {
    Guest guest;
    REQUIRE(guest.running());
    Loop loop;
    const auto client = guest.client(loop);
    const std::string directory = (guest.files() / "d &?#%\xc3\xa4").string();
    const std::string file = directory + "/a file+.txt";
    REQUIRE(loop.run(client->make_dir(directory)));
    const auto again = loop.run(client->make_dir(directory));
    REQUIRE(!again);
    CHECK(again.error().kind == ErrorClass::conflict);
    std::string bytes(1'000'000, '\0');
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 31 + i / 999);
    const auto written = loop.run(client->write_file(file, bytes));
    REQUIRE(written);
    CHECK(written->path == file);
    const auto read = loop.run(client->read_file(file));
    REQUIRE(read);
    CHECK((*read == bytes));
    const auto small = loop.run(client->read_file(file, 1000));
    REQUIRE(!small);
    CHECK(small.error().code == "file_too_large");
    const auto entry = loop.run(client->stat(file));
    REQUIRE(entry);
    CHECK(entry->size == bytes.size());
    CHECK(entry->type == FileType::file);
    const auto entries = loop.run(client->list_dir(directory));
    REQUIRE(entries);
    REQUIRE(entries->size() == 1);
    CHECK(entries->at(0).path == file);
    const auto moved = loop.run(client->move(file, directory + "/b"));
    REQUIRE(moved);
    CHECK(moved->name == "b");
    REQUIRE(loop.run(client->remove(directory)));
    const auto gone = loop.run(client->stat(directory));
    REQUIRE(!gone);
    CHECK(gone.error().kind == ErrorClass::not_found);
    REQUIRE(loop.run(client->write_file(file, ""))); // makes the directory again
    CHECK(loop.run(client->read_file(file))->empty());
}

TEST_CASE("refusals") {
    Guest guest;
    REQUIRE(guest.running());
    Loop loop;
    const auto client = guest.client(loop);
    auto cwd = shell("true");
    cwd.cwd = "/no/such/directory";
    const auto no_cwd = loop.run(run(client, cwd));
    REQUIRE(!no_cwd);
    CHECK(no_cwd.error().kind == ErrorClass::invalid);
    auto user = shell("true");
    user.user = "nobody-has-this-name";
    const auto no_user = loop.run(run(client, user));
    REQUIRE(!no_user);
    CHECK(no_user.error().kind == ErrorClass::permission);
    CHECK(loop.run(client->send_signal(999'999, 9)).error().kind == ErrorClass::not_found);
    CHECK(loop.run(client->connect(envd::ProcessSelector(999'999))).error().kind == ErrorClass::not_found);
    CHECK(loop.run(client->read_file("/no/such/file")).error().kind == ErrorClass::not_found);
    CHECK(loop.run(client->remove("/no/such/file"))); // as envd
}

TEST_CASE("cancelling the wait for output closes the stream, not the process") {
    Guest guest;
    REQUIRE(guest.running());
    Loop loop;
    const auto client = guest.client(loop);
    auto process = loop.run(client->start(sleeping()));
    REQUIRE(process);
    const auto pid = (*process)->pid();
    auto waiting = loop.start((*process)->next());
    while (loop.context().poll_one() > 0) {
    }
    waiting.cancel();
    const auto event = loop.finish(waiting);
    REQUIRE(!event);
    CHECK(event.error().kind == ErrorClass::cancelled);
    auto second = loop.run(client->connect(envd::ProcessSelector(pid)));
    REQUIRE(second);
    REQUIRE(loop.run(client->send_signal(pid, SIGKILL)));
    CHECK(loop.run(collect(*second))->end.signal == SIGKILL);
}

TEST_CASE("a guest that dies in the middle") {
    auto guest = std::make_unique<Guest>();
    REQUIRE(guest->running());
    Loop loop;
    const auto client = guest->client(loop);
    auto process = loop.run(client->start(sleeping()));
    REQUIRE(process);
    const auto pid = static_cast<pid_t>((*process)->pid());
    auto output = loop.start(collect(*process));
    guest.reset();
    const auto result = loop.finish(output);
    REQUIRE(!result);
    CHECK(result.error().code == "guest_unreachable"); // not only the connection is gone
    CHECK(loop.run(client->health()).error().code == "guest_unreachable");
    ::kill(-pid, SIGKILL); // what the guest left: it was no PID 1 here
    ::kill(pid, SIGKILL);
}

TEST_CASE("a terminal: its size, what is typed, and its one stream of output") {
    Guest guest;
    REQUIRE(guest.running());
    Loop loop;
    const auto client = guest.client(loop);
    auto request =
        shell("stty size; trap 'stty size; exit 7' WINCH; read line; echo \"got $line\"; while :; do sleep 0.01; done");
    request.terminal = TerminalSize{132, 43};
    auto process = loop.run(client->start(request, "terminal"));
    REQUIRE(process);
    const auto pid = (*process)->pid();
    const auto until = [&](std::string_view text) {
        std::string seen;
        while (seen.find(text) == std::string::npos) {
            auto event = loop.run((*process)->next());
            REQUIRE(event);
            REQUIRE(!event->end);
            CHECK(event->stream == Stream::standard_output);
            seen += event->bytes;
        }
    };
    until("43 132\r\n");
    // Somebody who did not start it need not know that it has a terminal.
    REQUIRE(loop.run(client->send_input(pid, "typed\n", ProcessInput::either)));
    until("got typed\r\n");
    REQUIRE(loop.run(client->resize(pid, {80, 24})));
    until("24 80\r\n");
    const auto rest = loop.run(collect(*process));
    REQUIRE(rest);
    CHECK(rest->end == ProcessEnd{7, 0, false});
    const auto no_size = loop.run(client->resize(pid, {0, 24}));
    CHECK(no_size.error().code == "terminal_size");
    const auto piped = loop.run(client->start(sleeping()));
    REQUIRE(piped);
    CHECK(!loop.run(client->resize((*piped)->pid(), {80, 24})));
    CHECK(!loop.run(client->send_input((*piped)->pid(), "x", ProcessInput::terminal)));
    REQUIRE(loop.run(client->send_signal((*piped)->pid(), SIGKILL))); // the guest is no process 1 here
    REQUIRE(loop.run(collect(*piped)));
}

TEST_CASE("a watch tells what happens below a directory, as it happens") {
    Guest guest;
    REQUIRE(guest.running());
    Loop loop;
    const auto client = guest.client(loop);
    const auto directory = guest.files() / "watched";
    REQUIRE(loop.run(client->make_dir(directory.string())));
    auto watch = loop.run(client->watch(directory.string(), true));
    REQUIRE(watch);
    const auto until = [&](FileChange change, const std::string& name) {
        for (;;) {
            const auto event = loop.run((*watch)->next());
            REQUIRE(event);
            if (event->change == change && event->name == name) return;
        }
    };
    REQUIRE(loop.run(client->write_file((directory / "a.txt").string(), "hello")));
    until(FileChange::created, "a.txt");
    until(FileChange::written, "a.txt");
    REQUIRE(loop.run(client->make_dir((directory / "deep").string())));
    until(FileChange::created, "deep");
    REQUIRE(loop.run(client->move((directory / "a.txt").string(), (directory / "deep/b.txt").string())));
    until(FileChange::renamed, "a.txt");
    until(FileChange::created, "deep/b.txt");
    REQUIRE(loop.run(client->remove((directory / "deep/b.txt").string())));
    until(FileChange::removed, "deep/b.txt");
    CHECK(loop.run(client->watch((directory / "none").string(), false)).error().kind == ErrorClass::not_found);
}
