// SPDX-License-Identifier: Apache-2.0
#include "providers/local/sandbox_root.hpp"

#include "providers/local/file_handle.hpp"
#include "providers/local/network_filter.hpp"

#include <cerrno>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sandboxkit::local {
namespace fs = std::filesystem;
namespace {

Result<void> make_directory(const fs::path& path, mode_t mode) {
    if (::mkdir(path.c_str(), mode) != 0 || ::chmod(path.c_str(), mode) != 0)
        return system_error(errno, "cannot make " + path.filename().string());
    return {};
}

Result<void> make_file(const fs::path& path, const std::string& text) {
    FileHandle file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (!file || ::fchmod(file.get(), 0644) != 0) return system_error(errno, "cannot make " + path.filename().string());
    return write_all(file.get(), text, "cannot write " + path.filename().string());
}

std::string hosts_of(const std::string& hostname) {
    return "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t" + hostname + "\n";
}

std::string resolver_of(Egress egress) {
    if (egress == Egress::open) return "nameserver " + std::string(name_server_text) + "\n";
    return "# This sandbox has no network.\n";
}

void clear_volatile_mark(const fs::path& work) {
    // The kernel refuses a layer that was mounted "volatile" until its owner has looked at it. What may be lost is
    // what a power failure takes, and that was never promised: durable is what was captured.
    const fs::path mark = work / "work" / "incompat" / "volatile";
    ::unlink((mark / "dirty").c_str());
    ::rmdir(mark.c_str());
}

OverlayMount overlay(const fs::path& target, const std::vector<fs::path>& lowers, const fs::path& upper, const fs::path& work) {
    clear_volatile_mark(work);
    OverlayMount mount{target.string(), {}, upper.string(), work.string()};
    for (const auto& each : lowers) mount.lowers.push_back(each.string());
    return mount;
}

} // namespace

Result<void> check_directories(const RootPlan& plan) {
    for (const char* name : {"etc", "proc", "sys", "dev"}) {
        for (const auto& layer : plan.root) {
            struct stat status {};
            if (::lstat((layer / name).c_str(), &status) != 0) continue;
            if (S_ISDIR(status.st_mode) || is_whiteout(status)) break;
            return Error{ErrorClass::unsupported,
                         "image_unusable",
                         "/" + std::string(name) + " of the image is not a directory",
                         "use a root file system in which it is one",
                         "",
                         {}};
        }
    }
    return {};
}

Result<void> make_base_layer(const fs::path& sandbox, const CreateRequest& request, const RootPlan& plan) {
    auto done = check_directories(plan);
    if (!done) return done;
    const fs::path base = sandbox / "base";
    done = make_directory(base, 0755);
    for (const char* name : {"etc", "proc", "sys", "dev"})
        if (done) done = make_directory(base / name, 0755);
    if (done && !plan.usr.empty()) done = make_directory(base / "usr", 0755);
    if (done) done = make_file(base / "etc" / "hosts", hosts_of(request.hostname));
    if (done) done = make_file(base / "etc" / "hostname", request.hostname + "\n");
    if (done) done = make_file(base / "etc" / "resolv.conf", resolver_of(request.egress));
    if (done) done = make_directory(sandbox / "rootfs", 0755);
    return done;
}

WritableLayer writable_layer(const fs::path& sandbox) {
    return {sandbox / "upper"};
}

std::vector<OverlayMount> root_mounts(const fs::path& sandbox, const RootPlan& plan) {
    const WritableLayer layer = writable_layer(sandbox);
    std::vector<fs::path> lowers{sandbox / "base"};
    lowers.insert(lowers.end(), plan.root.begin(), plan.root.end());
    std::vector<OverlayMount> mounts{overlay(sandbox / "rootfs", lowers, layer.root_upper(), layer.root_work())};
    if (!plan.usr.empty()) mounts.push_back(overlay(sandbox / "rootfs" / "usr", plan.usr, layer.usr_upper(), layer.usr_work()));
    return mounts;
}

} // namespace sandboxkit::local
