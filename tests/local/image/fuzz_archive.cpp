// SPDX-License-Identifier: Apache-2.0
// Any bytes, unpacked as a root file system into a directory of their own. Nothing may come to be beside it.
#include "providers/local/archive_extract.hpp"
#include "providers/local/tree_digest.hpp"
#include "providers/local/tree_walk.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace sandboxkit::local;

namespace {

void check(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "%s\n", what);
    std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (::geteuid() != 0) {
        std::puts("SKIPPED: unpacking a root file system needs root privileges");
        std::exit(77);
    }
    std::string pattern = "/tmp/sandboxkit-fuzz-XXXXXX";
    check(::mkdtemp(pattern.data()) != nullptr, "no temporary directory");
    {
        auto here = open_directory(pattern);
        check(here && ::mkdirat(here->get(), "root", 0755) == 0, "no directory");
        auto root = open_directory_at(here->get(), "root");
        FileHandle archive(::memfd_create("archive", MFD_CLOEXEC));
        check(root && archive && ::pwrite(archive.get(), data, size, 0) == static_cast<ssize_t>(size), "no archive");
        const auto unpacked = extract_archive(archive.get(), root->get(), {.archive_bytes = 1 << 20, .archive_entries = 200}, {});
        auto beside = directory_names(here->get());
        check(beside && beside->size() == 1, "something was made outside of the root");
        if (unpacked) {
            const auto digest = digest_tree(root->get(), Marks::refused, {});
            check(digest.has_value(), "what was unpacked is not a layer");
        } else {
            check(!unpacked.error().code.empty() && !unpacked.error().message.empty(), "an error without words");
        }
        check(remove_tree_at(here->get(), "root").has_value(), "what was unpacked cannot be removed");
    }
    check(::rmdir(pattern.c_str()) == 0, "something is left");
    return 0;
}
