// SPDX-License-Identifier: Apache-2.0
// Files and trees, through the in-sandbox API.
#include "conformance/bench.hpp"
#include "conformance/case.hpp"
#include "tree/tar_reader.hpp"
#include "tree/tree_packer.hpp"

#include <algorithm>
#include <fstream>

namespace sandboxkit::conformance {
namespace {

std::string all_bytes(std::size_t size) {
    std::string bytes;
    for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(i * 31 + (i >> 8));
    return bytes;
}

void write_and_read(Bench& bench) {
    auto sandbox = bench.start();
    const std::string bytes = all_bytes(3 << 20);
    const auto written = bench.get("writing", sandbox.client().write_file("/root/new/directory/file", bytes));
    bench.check(written.size == bytes.size() || written.size == 0, "the size that is told is right");
    bench.check(bench.get("reading", sandbox.client().read_file("/root/new/directory/file")) == bytes,
                "3 MB come back as they were");
    bench.get("writing less", sandbox.client().write_file("/root/new/directory/file", "short"));
    bench.equal("the file", sandbox.text("cat /root/new/directory/file"), "short");
    bench.get("writing nothing", sandbox.client().write_file("/root/empty", ""));
    bench.equal("an empty file", bench.get("reading it", sandbox.client().read_file("/root/empty")), "");
}

void list_and_stat(Bench& bench) {
    auto sandbox = bench.start();
    (void)sandbox.text(
        "mkdir -p /root/d/sub && cd /root/d && printf 12345 > file && chmod 640 file && ln -s file link && printf x > sub/deep");
    const auto file = bench.get("stat of a file", sandbox.client().stat("/root/d/file"));
    bench.check(file.type == FileType::file && file.size == 5 && (file.mode & 0777U) == 0640, "type, size and mode of a file");
    const auto link = bench.get("stat of a link", sandbox.client().stat("/root/d/link"));
    bench.check(link.type == FileType::symlink, "a link is told as one, and not followed");
    auto all = bench.get("listing", sandbox.client().list_dir("/root/d"));
    std::vector<std::string> names;
    for (const auto& each : all) names.push_back(each.name);
    std::ranges::sort(names);
    bench.check(names == std::vector<std::string>{"file", "link", "sub"}, "a directory is listed, one level of it");
    bench.check(bench.get("listing two levels", sandbox.client().list_dir("/root/d", 2)).size() == 4,
                "two levels are four entries");
}

void move_and_remove(Bench& bench) {
    auto sandbox = bench.start();
    bench.get("making a directory", sandbox.client().make_dir("/root/a/b"));
    bench.get("writing", sandbox.client().write_file("/root/a/b/file", "x"));
    bench.get("moving", sandbox.client().move("/root/a", "/root/c"));
    bench.check(sandbox.works("test -f /root/c/b/file && ! test -e /root/a"), "a directory was moved");
    bench.get("removing", sandbox.client().remove("/root/c"));
    bench.check(sandbox.works("! test -e /root/c"), "a directory was removed with what is in it");
}

void what_is_missing(Bench& bench) {
    auto sandbox = bench.start();
    bench.refused("reading what is not there", sandbox.client().read_file("/root/missing"), {ErrorClass::not_found});
    bench.refused("stat of what is not there", sandbox.client().stat("/root/missing"), {ErrorClass::not_found});
    bench.refused("listing what is not there", sandbox.client().list_dir("/root/missing"), {ErrorClass::not_found});
    bench.check(bench.wait(sandbox.client().read_file("/root")).has_error(), "a directory is not read as a file");
}

void watch(Bench& bench) {
    auto sandbox = bench.start();
    (void)sandbox.text("mkdir -p /root/watched/below");
    auto stream = bench.get("watching", sandbox.client().watch("/root/watched", true));
    (void)sandbox.text("echo x > /root/watched/below/file; rm /root/watched/below/file");
    bool created = false;
    for (;;) {
        const auto event = bench.get("reading a change", stream->next());
        if (event.name.find("below/file") == std::string::npos) continue;
        created = created || event.change == FileChange::created;
        if (event.change != FileChange::removed) continue;
        bench.check(created, "a file that was made and removed is told as created, then as removed");
        return;
    }
}

Task<TreeSummary> upload(std::shared_ptr<envd::Client> client, std::string to, std::shared_ptr<std::string> archive) {
    auto at = std::make_shared<std::size_t>(0);
    std::function<Task<std::string>()> source = [archive, at]() -> Task<std::string> {
        auto piece = archive->substr(*at, 64 << 10);
        *at += piece.size();
        co_return piece;
    };
    auto sent = co_await client->upload_tree(std::move(to), std::move(source));
    co_return sent;
}

Task<std::string> download(std::shared_ptr<envd::Client> client, std::string from) {
    auto archive = std::make_shared<std::string>();
    std::function<Task<void>(std::string)> sink = [archive](std::string piece) -> Task<void> {
        archive->append(piece);
        co_return Result<void>{};
    };
    auto received = co_await client->download_tree(std::move(from), std::move(sink));
    if (!received) co_return received.error();
    co_return std::move(*archive);
}

void trees(Bench& bench) {
    namespace fs = std::filesystem;
    const auto from = bench.directory("from");
    fs::create_directories(from / "directory/empty");
    std::ofstream(from / "directory/file", std::ios::binary) << all_bytes(300'000);
    std::ofstream(from / "script") << "#!/bin/sh\n";
    fs::permissions(from / "script", fs::perms(0755));
    fs::create_symlink("directory/file", from / "link");
    auto archive = std::make_shared<std::string>();
    tree::TreePacker packer(
        [&](std::string_view bytes) {
            archive->append(bytes);
            return tree::TreeFailure{};
        },
        [](const struct stat&, tree::TarEntry& entry) { entry.uid = entry.gid = 0; });
    const auto packed = packer.pack(from.string());
    bench.require(packed.error == 0, "the tree can be packed", packed.message);

    auto sandbox = bench.start();
    bench.get("uploading a tree", upload(sandbox.shared_client(), "/root/tree", archive));
    bench.check(
        sandbox.works("cd /root/tree && test -x script && test -d directory/empty && test \"$(readlink link)\" = directory/file"),
        "the tree is there with modes, links and empty directories");
    const auto back = bench.get("downloading a tree", download(sandbox.shared_client(), "/root/tree"));
    tree::TarReader reader;
    reader.feed(back);
    std::vector<std::string> names;
    std::string content;
    for (bool more = true; more;) switch (reader.next()) {
        case tree::TarReader::Event::entry: names.push_back(reader.entry().name); break;
        case tree::TarReader::Event::data: content += reader.data(); break;
        case tree::TarReader::Event::entry_end: break;
        case tree::TarReader::Event::end: more = false; break;
        default: bench.require(false, "a whole archive comes back", reader.error());
        }
    bench.check(content == all_bytes(300'000) + "#!/bin/sh\n" || content == "#!/bin/sh\n" + all_bytes(300'000),
                "the content of the files comes back as it was");
    for (const char* each : {"directory/empty", "directory/file", "script", "link"})
        bench.check(std::ranges::any_of(names, [&](const auto& name) { return name.find(each) != std::string::npos; }),
                    std::string(each) + " is in the tree that comes back");
}

} // namespace

Group files_cases() {
    return {"files",
            {
                {"write_and_read", "bytes come back as they were, and directories are made on the way", write_and_read},
                {"list_and_stat", "directories are listed; types, sizes and modes are told", list_and_stat},
                {"move_and_remove", "files and directories are moved and removed", move_and_remove},
                {"what_is_missing", "what is not there is not found", what_is_missing},
                {"watch", "changes below a directory are told", watch},
                {"trees", "a tree of files goes there and comes back", trees},
            }};
}

} // namespace sandboxkit::conformance
