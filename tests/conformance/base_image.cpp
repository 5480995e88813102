// SPDX-License-Identifier: Apache-2.0
#include "conformance/subject.hpp"

#include <cstdlib>
#include <fstream>

#include <sys/stat.h>

namespace sandboxkit::test {
namespace fs = std::filesystem;

fs::path make_base_archive(const fs::path& directory, std::string& why) {
    const char* busybox = nullptr;
    for (const char* each : {"/bin/busybox", "/usr/bin/busybox"})
        if (fs::exists(each)) busybox = each;
    if (busybox == nullptr) {
        why = "busybox is not installed";
        return {};
    }
    const fs::path root = directory / "base", archive = directory / "base.tar";
    for (const char* each : {"bin", "sbin", "etc", "root", "tmp", "var/tmp", "run", "proc", "sys", "dev", "srv", "usr/bin"})
        fs::create_directories(root / each);
    fs::copy_file(busybox, root / "bin/busybox");
    fs::permissions(root / "bin/busybox", fs::perms(0755));
    ::chmod((root / "tmp").c_str(), 01777);
    ::chmod((root / "var/tmp").c_str(), 01777);
    ::chmod((root / "root").c_str(), 0700);
    std::ofstream(root / "etc/passwd") << "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n";
    std::ofstream(root / "etc/group") << "root:x:0:\nnogroup:x:65534:\n";
    const std::string links = "for each in $('" + (root / "bin/busybox").string() +
                              "' --list); do test $each = busybox || ln -s busybox '" + (root / "bin").string() + "'/$each; done";
    if (std::system(links.c_str()) != 0 ||
        std::system(("tar --owner=0 --group=0 -C '" + root.string() + "' -cf '" + archive.string() + "' .").c_str()) != 0) {
        why = "the base image cannot be made";
        return {};
    }
    return archive;
}

} // namespace sandboxkit::test
