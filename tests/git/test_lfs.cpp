// SPDX-License-Identifier: Apache-2.0
#include "cases.hpp"

using namespace sandboxkit;
using namespace sandboxkit::git;
using namespace sandboxkit::git::test;

namespace {

const std::string first_line = "version https://git-lfs.github.com/spec/v1\n";
const std::string pointer = first_line + "oid sha256:" + std::string(64, 'a') + "\nsize 12345\n";

} // namespace

TEST_CASE("pointers to Git LFS are counted, and nothing that looks like them") {
    TemporaryDirectory directory;
    const auto repository = directory / "repo.git";
    make_repository(repository);
    auto r = request("file://" + repository.string(), directory / "clone");
    CHECK(cloned(r).lfs_pointers == 0);
    fs::remove_all(r.destination);

    add_commit(repository, "main", "one.bin", pointer);
    add_commit(repository, "main", "two.bin", pointer); // the same object, and two files
    add_commit(repository, "main", "extended", first_line + "ext-0-x sha256:" + std::string(64, 'b') + pointer.substr(43));
    add_commit(repository, "main", "longest", pointer + std::string(1024 - pointer.size(), '\n'));
    add_commit(repository, "main", "too-long", pointer + std::string(1025 - pointer.size(), '\n'));
    add_commit(repository, "main", "first-line-alone", first_line);
    add_commit(repository, "main", "other-version", "version https://git-lfs.github.com/spec/v2\noid x\n");
    add_commit(repository, "main", "quoted", "> " + pointer);
    add_commit(repository, "main", "empty", "");
    const auto result = cloned(r);
    CHECK(result.lfs_pointers == 4);
    CHECK(read_file(r.destination / "one.bin") == pointer);
    check_healthy(r.destination);
}
