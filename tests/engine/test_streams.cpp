// SPDX-License-Identifier: Apache-2.0
// What stays open in a session: terminals, processes that others attach to, watches, and trees on their way. Needs no
// privileges.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "engine/holding_relay.hpp"
#include "engine/memory_provider.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <fstream>

using namespace sandboxkit;
using namespace sandboxkit::test;

namespace {

struct Running {
    explicit Running(std::function<fs::path(const fs::path&)> route = {}) {
        provider->route = std::move(route);
        engine.emplace(must(Engine::open(options_with(dir.path(), provider))));
        session = start(*engine, ready_profile(*engine)).id;
    }
    Process shell(const std::string& script, ExecRequest request = {}) {
        request.argv = {"/bin/sh", "-c", script};
        return must(engine->start_process(tester, session, std::move(request)).get());
    }

    TempDir dir;
    std::shared_ptr<MemoryProvider> provider = std::make_shared<MemoryProvider>();
    std::optional<Engine> engine;
    std::string session;
};

// Reads until the output has the text in it; what comes after it in the same chunk is kept for the next call.
class Reader {
public:
    explicit Reader(Process& process) : process_(process) {}
    void until(std::string_view text) {
        for (;;) {
            const auto found = seen_.find(text);
            if (found != std::string::npos) {
                seen_.erase(0, found + text.size());
                return;
            }
            const auto event = must(process_.next().get());
            REQUIRE(!event.end);
            seen_ += event.bytes;
            offset_ = event.offset + event.bytes.size();
        }
    }
    [[nodiscard]] std::uint64_t offset() const { return offset_; }

private:
    Process& process_;
    std::string seen_;
    std::uint64_t offset_ = 0;
};

struct Collected {
    std::string output;
    std::uint64_t begin = 0, end = 0;
    ProcessEnd how;
};

Collected collect(Process& process) {
    Collected all;
    for (bool first = true;; first = false) {
        const auto event = must(process.next().get());
        if (first) all.begin = event.offset;
        all.end = event.offset + event.bytes.size();
        all.output += event.bytes;
        if (event.end) {
            all.how = *event.end;
            return all;
        }
    }
}

std::string content(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

} // namespace

TEST_CASE("a terminal: its size, its name, what is typed") {
    Running running;
    ExecRequest request;
    request.terminal = TerminalSize{100, 30};
    auto process = running.shell("echo $TERM; stty size; read line; echo got $line; trap 'stty size; exit' WINCH;"
                                 "echo ready; while :; do sleep 0.01; done",
                                 request);
    CHECK(process.id().starts_with("cmd_"));
    Reader reader(process);
    reader.until("xterm-256color\r\n30 100\r\n");
    must(process.write("it\n").get());
    reader.until("got it\r\nready");
    must(process.resize({80, 24}).get());
    reader.until("24 80\r\n");
    CHECK(collect(process).how == ProcessEnd{0, 0, false});
    CHECK(running.engine->exec(tester, running.session, request).get().error().code == "input_needs_process");
}

TEST_CASE("a process outlives its handle, and others attach to it by its id") {
    Running running;
    ExecRequest request;
    request.standard_input = true;
    std::string id;
    std::uint64_t offset = 0;
    {
        auto process = running.shell("echo one; read a; echo two $a; read b; echo three $b; exit 5", request);
        id = process.id();
        Reader reader(process);
        reader.until("one\n");
        offset = reader.offset();
    }
    const auto listed = must(running.engine->processes(tester, running.session).get());
    REQUIRE(listed.size() == 1);
    CHECK(listed[0].id == id);
    CHECK(listed[0].argv.at(0) == "/bin/sh");

    auto second = must(running.engine->attach_process(tester, running.session, id).get());
    CHECK(second.pid() == listed[0].pid);
    must(second.write("x\n").get());
    Reader reader(second);
    reader.until("two x\n");
    must(second.write("y\n").get());
    CHECK(collect(second).how == ProcessEnd{5, 0, false});

    // It has ended, and all that it said is there to be read again.
    auto third = must(running.engine->attach_process(tester, running.session, id, 0).get());
    auto all = collect(third);
    CHECK(all.begin == 0);
    CHECK(all.output == "one\ntwo x\nthree y\n");
    CHECK(all.how == ProcessEnd{5, 0, false});
    auto from = must(running.engine->attach_process(tester, running.session, id, offset).get());
    CHECK(collect(from).output == "two x\nthree y\n");

    auto fourth = running.shell("echo here; exec sleep 1000");
    id = fourth.id();
    must(running.engine->signal_process(tester, running.session, id, 15).get());
    CHECK(collect(fourth).how == ProcessEnd{-1, 15, false});
    CHECK(running.engine->signal_process(tester, running.session, id, 15).get().error().kind == ErrorClass::not_found);
    CHECK(running.engine->signal_process(tester, running.session, "x", 0).get().error().kind == ErrorClass::not_found);

    const auto attach = [&](std::string what, std::optional<std::uint64_t> where = {}) {
        return running.engine->attach_process(tester, running.session, std::move(what), where).get().error();
    };
    CHECK(attach("cmd_none").kind == ErrorClass::not_found);
    CHECK(attach("999999").kind == ErrorClass::not_found);
    CHECK(attach("99999999999999").code == "process_not_found");
    CHECK(attach("").code == "process_missing");
    CHECK(attach(id, 1000).kind == ErrorClass::invalid);
}

TEST_CASE("a connection that breaks in the middle costs no output") {
    HoldingRelay relay;
    Running running([&](const fs::path& guest) { return relay.to(guest); });
    ExecRequest request;
    request.standard_input = true;
    auto process =
        running.shell("i=0; while [ $i -lt 2000 ]; do echo $i; i=$((i+1)); [ $((i % 500)) -ne 0 ] || read go; done", request);
    std::string expected;
    for (int i = 0; i < 2000; ++i) expected += std::to_string(i) + "\n";
    std::string got;
    for (bool ended = false; !ended;) {
        const auto event = must(process.next().get());
        CHECK(event.offset == got.size());
        got += event.bytes;
        ended = event.end.has_value();
        if (!got.ends_with("\n") || (got.size() > 1 && std::count(got.begin(), got.end(), '\n') % 500 != 0) || ended) continue;
        relay.break_connections();
        must(process.write("\n").get());
    }
    CHECK(got == expected);
}

TEST_CASE("a sandbox that is gone is told apart from a connection that broke") {
    HoldingRelay relay;
    Running running([&](const fs::path& guest) { return relay.to(guest); });
    auto process = running.shell("exec sleep 1000");
    auto waiting = process.next();
    must(running.engine->stop_session(tester, running.session).get());
    const auto error = waiting.get().error();
    CHECK(error.code == "session_not_running");
}

TEST_CASE("a watch tells what happens, and ends with its handle") {
    Running running;
    const auto directory = running.dir.path() / "watched";
    const auto path = [&](const char* name) { return (directory / name).string(); };
    auto& engine = *running.engine;
    must(engine.make_directory(tester, running.session, directory.string()).get());
    auto watch = must(engine.watch_directory(tester, running.session, directory.string(), true).get());
    const auto until = [&](FileChange change, const std::string& name) {
        for (;;) {
            const auto event = must(watch.next().get());
            if (event.change == change && event.name == name) return;
        }
    };
    must(engine.write_file(tester, running.session, path("a"), "x").get());
    until(FileChange::created, "a");
    until(FileChange::written, "a");
    auto waiting = watch.next();
    waiting.cancel();
    CHECK(waiting.get().error().kind == ErrorClass::cancelled);
    must(engine.move_file(tester, running.session, path("a"), path("b")).get());
    until(FileChange::created, "b");
    must(engine.remove_file(tester, running.session, path("b")).get());
    until(FileChange::removed, "b");
    CHECK(engine.watch_directory(tester, running.session, path("none")).get().error().kind == ErrorClass::not_found);

    const auto info = must(engine.file_info(tester, running.session, directory.string()).get());
    CHECK(info.type == FileType::directory);
    must(engine.write_file(tester, running.session, path("deep/c"), "xyz").get());
    const auto own = must(engine.list_directory(tester, running.session, directory.string()).get());
    CHECK(own.size() == 1);
    const auto all = must(engine.list_directory(tester, running.session, directory.string(), 2).get());
    CHECK(all.size() == 2);
    CHECK(engine.make_directory(tester, running.session, directory.string()).get().error().kind == ErrorClass::conflict);
}

TEST_CASE("a tree goes into a sandbox and comes back") {
    Running running;
    auto& engine = *running.engine;
    const auto from = running.dir.path() / "from";
    fs::create_directories(from / "deep/empty");
    for (int i = 0; i < 300; ++i) std::ofstream(from / ("file" + std::to_string(i))) << std::string(10'000, 'x') << i;
    fs::create_symlink("../file1", from / "deep/link");
    const auto inside = (running.dir.path() / "inside/tree").string(); // the provider's sandboxes share this file system
    const auto up = must(engine.upload_tree(tester, running.session, from, inside).get());
    CHECK(up.entries == 304);
    CHECK(content(fs::path(inside) / "file299").ends_with("x299"));
    const auto to = running.dir.path() / "a/to";
    const auto down = must(engine.download_tree(tester, running.session, inside, to).get());
    CHECK(down.entries == 304);
    CHECK(down.bytes == up.bytes);
    CHECK(content(to / "file7") == content(from / "file7"));
    CHECK(fs::read_symlink(to / "deep/link") == "../file1");
    CHECK(fs::is_empty(to / "deep/empty"));

    // One file.
    must(engine.upload_tree(tester, running.session, from / "file3", inside + "/one").get());
    CHECK(content(fs::path(inside) / "one/file3") == content(from / "file3"));

    const auto error = [](auto operation) { return operation.get().error(); };
    CHECK(error(engine.upload_tree(tester, running.session, from / "none", inside)).code == "path_not_found");
    CHECK(error(engine.upload_tree(tester, running.session, from, inside + "/file0")).kind == ErrorClass::invalid);
    CHECK(error(engine.download_tree(tester, running.session, inside + "/none", to)).kind == ErrorClass::not_found);
    std::ofstream(running.dir.path() / "in-the-way") << "x";
    CHECK(error(engine.download_tree(tester, running.session, inside, running.dir.path() / "in-the-way")).code == "tree_refused");
    must(running.engine->stop_session(tester, running.session).get());
    CHECK(error(engine.upload_tree(tester, running.session, from, inside)).code == "session_not_running");
}

TEST_CASE("a transfer that is cancelled ends, on both sides") {
    Running running;
    auto& engine = *running.engine;
    const auto from = running.dir.path() / "from";
    fs::create_directories(from);
    REQUIRE(::mkfifo((from / "fifo").c_str(), 0600) == 0);
    std::ofstream(from / "large") << std::string(64 << 20, 'x');
    const auto inside = (running.dir.path() / "inside").string();
    for (int i = 0; i < 20; ++i) {
        auto up = engine.upload_tree(tester, running.session, from, inside);
        up.cancel();
        const auto done = up.get();
        if (!done) CHECK(done.error().kind == ErrorClass::cancelled);
    }
    must(engine.upload_tree(tester, running.session, from, inside).get());
    for (int i = 0; i < 20; ++i) {
        auto down = engine.download_tree(tester, running.session, inside, running.dir.path() / "to");
        down.cancel();
        const auto done = down.get();
        if (!done) CHECK(done.error().kind == ErrorClass::cancelled);
    }
}

TEST_CASE("a sandbox that takes a tree and does not answer is not waited for when the upload is cancelled") {
    HoldingRelay relay;
    Running running([&](const fs::path& guest) { return relay.to(guest); });
    const auto from = running.dir.path() / "from";
    fs::create_directories(from);
    relay.hold_answer_to("POST /sandboxkit/tree");
    auto up = running.engine->upload_tree(tester, running.session, from, (running.dir.path() / "inside").string());
    relay.wait_for_answer();
    up.cancel();
    CHECK(up.get().error().kind == ErrorClass::cancelled);
}
