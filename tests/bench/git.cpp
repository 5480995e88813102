// SPDX-License-Identifier: Apache-2.0
#include "bench/git.hpp"

#include "bench/baselines.hpp"
#include "bench/figures.hpp"

#include "git/clone.hpp"
#include "git/fixture.hpp"

#include <fstream>
#include <random>
#include <string>

#include <unistd.h>

namespace sandboxkit::bench {

namespace fs = std::filesystem;

namespace {

// Text of some 1.5 KB that compresses as source code does, more or less.
std::string text_of(std::mt19937& random) {
    static constexpr const char* words[] = {"return", "const",     "value",  "session", "if",    "else", "result",
                                            "error",  "std::move", "(",      ")",       "{",     "}",    ";\n",
                                            "=",      "+",         "string", "auto",    "while", "\n"};
    std::string text;
    while (text.size() < 1500) (text += words[random() % std::size(words)]) += random() % 8 == 0 ? std::to_string(random()) : " ";
    return text;
}

// As `git fast-import` reads it: all files in the first commit, and two of them changed in each other one.
void write_history(const fs::path& path, const GitSize& size) {
    std::mt19937 random(1);
    std::ofstream out(path, std::ios::binary);
    const auto file = [&](int number) {
        const std::string text = text_of(random);
        out << "M 100644 inline d" << number % 200 << "/f" << number << ".cpp\ndata " << text.size() << "\n" << text << "\n";
    };
    for (int commit = 0; commit < size.commits; ++commit) {
        out << "commit refs/heads/main\ncommitter a <a@b> " << 1'700'000'000 + commit << " +0000\ndata 4\nwork\n";
        if (commit == 0)
            for (int i = 0; i < size.files; ++i) file(i);
        else
            for (int i = 0; i < 2; ++i) file(static_cast<int>(random() % static_cast<unsigned>(size.files)));
    }
}

fs::path make_served(const fs::path& root, const GitSize& size) {
    const auto bare = root / "bench.git";
    git::test::run({"git", "init", "-q", "--bare", "-b", "main", bare.string()});
    const auto history = root / "history";
    write_history(history, size);
    git::test::run({"sh", "-c", "git -C \"$1\" fast-import --quiet < \"$2\"", "sh", bare.string(), history.string()});
    fs::remove(history);
    // As a server keeps it: then it sends what it has, and does not look for a better form each time.
    git::test::git(bare, {"repack", "-adbq"});
    return bare;
}

} // namespace

void bench_git(const fs::path& scratch, const GitSize& size) {
    const auto root = scratch / "served";
    fs::create_directories(root);
    const auto bare = make_served(root, size);
    const git::test::HttpServer server(root);
    const std::string url = server.url("/bench.git");
    // Nothing is removed meanwhile: ext4 makes files slowly for a minute where others were just removed.
    const auto clones = scratch / "clones";
    fs::create_directories(clones);
    int made = 0;
    const auto destination = [&] { return clones / std::to_string(++made); };
    const auto expected = git::test::git(bare, {"rev-parse", "main"});

    const auto by_git = [&](std::vector<std::string> more) {
        std::vector<std::string> argv{"git", "-c", "core.hooksPath=/dev/null", "clone", "-q"};
        argv.insert(argv.end(), more.begin(), more.end());
        argv.insert(argv.end(), {url, destination().string()});
        spawn_and_wait(argv);
    };
    const auto by_us = [&](std::optional<std::uint32_t> depth, const fs::path& cache) {
        git::CloneRequest request;
        request.url = url;
        request.depth = depth;
        request.destination = destination();
        request.mirrors = cache;
        if (must(git::clone(request, {}, [](const git::CloneProgress&) {})).commit != expected)
            throw std::runtime_error("another commit was cloned");
    };
    // In turns, each after what the one before it wrote is on the disk.
    const auto add = [](Samples& samples, const auto& work) {
        ::sync();
        samples.add(timed(work));
    };
    Samples git_whole, whole, git_shallow, shallow, first, second;
    for (int i = 0; i < size.samples; ++i) {
        add(git_whole, [&] { by_git({}); });
        add(whole, [&] { by_us({}, {}); });
        add(git_shallow, [&] { by_git({"--depth", "1"}); });
        add(shallow, [&] { by_us(1, {}); });
        const auto mirrors = scratch / ("mirrors" + std::to_string(i));
        fs::create_directories(mirrors);
        add(first, [&] { by_us({}, mirrors); });
        add(second, [&] { by_us({}, mirrors); });
    }
    std::printf("git: clones of %d files and %d commits over HTTP from this machine\n", size.files, size.commits);
    row("git clone", git_whole);
    row("git clone --depth 1", git_shallow);
    row("sandboxkit, no mirror", whole);
    row("sandboxkit, depth 1", shallow);
    row("sandboxkit, first into a mirror", first);
    row("sandboxkit, second, from the mirror", second);
    ratio("first clone / git clone", first.percentile(0.5) / git_whole.percentile(0.5), "1.15");
    ratio("clone without a mirror / git clone", whole.percentile(0.5) / git_whole.percentile(0.5), "1.15");
    ratio("depth 1 / git clone --depth 1", shallow.percentile(0.5) / git_shallow.percentile(0.5), "1.15");
    ratio("second clone / first clone", second.percentile(0.5) / first.percentile(0.5), "0.1");
}

} // namespace sandboxkit::bench
