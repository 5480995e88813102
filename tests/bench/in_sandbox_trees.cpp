// SPDX-License-Identifier: Apache-2.0
#include "bench/in_sandbox.hpp"

#include "bench/baselines.hpp"
#include "bench/figures.hpp"

#include <fstream>

namespace sandboxkit::bench {

namespace fs = std::filesystem;

static void make_tree(const fs::path& root, int files) {
    constexpr int in_a_directory = 100;
    const std::string contents(1000, 'x');
    for (int i = 0; i < files; ++i) {
        const auto directory = root / std::to_string(i / in_a_directory);
        if (i % in_a_directory == 0) fs::create_directories(directory);
        std::ofstream(directory / std::to_string(i)) << contents;
    }
}

void bench_trees(const BenchSession& session, const fs::path& scratch, int files, int samples) {
    const auto trees = scratch / "trees", from = trees / "from";
    const std::string tar_pipe = R"(mkdir "$1" && tar -C "$0" -cf - . | tar -C "$1" -xf -)";
    make_tree(from, files);
    Samples up, down, tar, tar_in_sandbox;
    // What was made stays until the end: ext4 makes files slowly for some seconds after many were removed.
    for (int i = -1; i < samples; ++i) {
        const std::string number = std::to_string(i + 1);
        const auto copy = trees / ("copy-" + number), back = trees / ("back-" + number);
        const std::string there = "/root/tree-" + number, copy_there = "/root/copy-" + number;
        const auto copied = spawn_and_wait({"/bin/sh", "-c", tar_pipe, from, copy});
        const auto sent = timed([&] { must(session.engine.upload_tree(session.who, session.id, from, there).get()); });
        const auto taken = timed([&] { must(session.engine.download_tree(session.who, session.id, there, back).get()); });
        const auto copied_there = timed([&] {
            const ExecRequest request{{"/bin/sh", "-c", tar_pipe, there, copy_there}, {}, {}, {}, false, {}};
            const auto done = must(session.engine.exec(session.who, session.id, request).get());
            if (done.end.shell_code() != 0) throw std::runtime_error("tar in the sandbox: " + done.standard_error);
        });
        if (i < 0) continue;
        tar.add(copied), tar_in_sandbox.add(copied_there), up.add(sent), down.add(taken);
    }
    fs::remove_all(trees);
    std::printf("a tree of %d files of 1 kB\n", files);
    row("into the sandbox", up);
    row("out of the sandbox", down);
    row("GNU tar | GNU tar", tar);
    row("the same in the sandbox, on its file system", tar_in_sandbox);
    ratio("into / tar in the sandbox", up.percentile(0.5) / tar_in_sandbox.percentile(0.5), "-");
    ratio("into / tar", up.percentile(0.5) / tar.percentile(0.5), "-");
    ratio("out of / tar", down.percentile(0.5) / tar.percentile(0.5), "-");
}

} // namespace sandboxkit::bench
