// SPDX-License-Identifier: Apache-2.0
#include "providers/local/host_image.hpp"
#include "providers/local/tree_walk.hpp"

#include <array>
#include <cerrno>
#include <string_view>

#include <fcntl.h>
#include <fnmatch.h>
#include <unistd.h>

namespace sandboxkit::local {

namespace {

constexpr std::size_t largest_copied = 16 << 20;

struct EmptyDirectory {
    const char* path;
    mode_t mode;
};
constexpr std::array<EmptyDirectory, 29> empty_directories = {{
    {"usr", 0755},       {"etc", 0755},           {"root", 0700},      {"home", 0755},      {"tmp", 01777},
    {"var", 0755},       {"var/tmp", 01777},      {"var/lib", 0755},   {"var/cache", 0755}, {"var/log", 0755},
    {"var/opt", 0755},   {"var/spool", 0755},     {"var/local", 0755}, {"var/mail", 0755},  {"var/backups", 0755},
    {"run", 0755},       {"run/lock", 01777},     {"proc", 0555},      {"sys", 0555},       {"dev", 0755},
    {"opt", 0755},       {"srv", 0755},           {"mnt", 0755},       {"media", 0755},     {"boot", 0755},
    {"workspace", 0755}, {"etc/profile.d", 0755}, {"etc/opt", 0755},   {"etc/skel", 0755},
}};

struct Text {
    const char* path;
    const char* contents;
};
// "*": nobody logs in by password. The numbers are the ones that Debian, Fedora and their like agree on.
constexpr std::array<Text, 12> texts = {{
    {"etc/group", "root:*:0:\ndaemon:*:1:\nbin:*:2:\nsys:*:3:\nadm:*:4:\ntty:*:5:\ndisk:*:6:\nmail:*:8:\nutmp:*:43:\nusers:*:100:"
                  "\nnogroup:*:65534:\n"},
    {"etc/hosts", "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"},
    {"etc/hostname", "sandbox\n"},
    {"etc/resolv.conf", ""},
    {"etc/machine-id", ""},
    {"etc/fstab", ""},
    {"etc/environment", ""},
    {"etc/host.conf", "multi on\n"},
    {"etc/timezone", "Etc/UTC\n"},
    {"etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\nprotocols: "
                          "files\nservices: files\nethers: files\nrpc: files\n"},
    {"etc/profile",
     "if [ \"$(id -u)\" -eq 0 ]; then\n    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nelse\n"
     "    PATH=/usr/local/bin:/usr/bin:/bin\nfi\nexport PATH\n"
     "if [ -n \"${PS1-}\" ] && [ -n \"${BASH-}\" ] && [ -r /etc/bash.bashrc ]; then\n    . /etc/bash.bashrc\nfi\n"
     "for script in /etc/profile.d/*.sh; do\n    if [ -r \"$script\" ]; then . \"$script\"; fi\ndone\nunset script\n"},
    {"etc/bash.bashrc", "[ -z \"${PS1-}\" ] && return\nshopt -s checkwinsize\nPS1='\\u@\\h:\\w\\$ '\n"},
}};

// From the host's /etc. Shell patterns for the name; `except` is a pattern of names to leave out, below too.
struct Copied {
    const char* pattern;
    const char* except;
};
constexpr std::array<Copied, 34> copied = {{
    {"ld.so.cache", ""},
    {"ld.so.conf", ""},
    {"ld.so.conf.d", ""},
    {"alternatives", ""},
    {"ca-certificates.conf", ""},
    {"debian_version", ""},
    {"redhat-release", ""},
    {"fedora-release", ""},
    {"alpine-release", ""},
    {"arch-release", ""},
    {"python[0-9]*", ""},
    {"java-[0-9]*", "*password*"},
    {"java", "*password*"},
    {"perl", ""},
    {"ruby[0-9.]*", ""},
    {"php", "pool.d"},
    {"fonts", ""},
    {"magic", ""},
    {"magic.mime", ""},
    {"mime.types", ""},
    {"services", ""},
    {"protocols", ""},
    {"rpc", ""},
    {"ethertypes", ""},
    {"gai.conf", ""},
    {"inputrc", ""},
    {"terminfo", ""},
    {"locale.alias", ""},
    {"login.defs", ""},
    {"manpath.config", ""},
    {"maven", "settings*.xml"},
    {"groff", ""},
    {"gprofng.rc", ""},
    {"nanorc", ""},
}};

class RootBuilder {
public:
    explicit RootBuilder(int root) : root_(root) {}

    Result<void> directory(const std::string& path, mode_t mode) {
        if (::mkdirat(root_, path.c_str(), mode) != 0 && errno != EEXIST) return failed(path);
        if (::fchmodat(root_, path.c_str(), mode, 0) != 0) return failed(path);
        return {};
    }
    Result<void> file(const std::string& path, std::string_view contents, mode_t mode) {
        FileHandle target(::openat(root_, path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
        if (!target) return failed(path);
        auto written = write_all(target.get(), contents, "cannot write " + shown(path));
        if (!written) return written;
        if (::fchmod(target.get(), mode) != 0) return failed(path);
        return {};
    }
    Result<void> link(const std::string& path, const std::string& target) {
        if (::symlinkat(target.c_str(), root_, path.c_str()) != 0) return failed(path);
        return {};
    }

    // Copies the host's /<path>, with all below, to the same place. Owner root; no write permission for others, no set-user-id.
    Result<void> copy(const std::string& path, const char* except) {
        const auto original = "/" + path;
        struct stat status {};
        if (::lstat(original.c_str(), &status) != 0) {
            if (errno == ENOENT) return {};
            return system_error(errno, "cannot read the status of " + shown(original));
        }
        if (S_ISLNK(status.st_mode)) {
            std::array<char, 4096> target;
            const auto size = ::readlink(original.c_str(), target.data(), target.size());
            if (size < 0) return system_error(errno, "cannot read the link " + shown(original));
            return link(path, std::string(target.data(), static_cast<std::size_t>(size)));
        }
        if (S_ISDIR(status.st_mode)) {
            if ((status.st_mode & S_IXOTH) == 0 || (status.st_mode & S_IROTH) == 0) return {};
            auto made = directory(path, 0755);
            if (!made) return made;
            return copy_children(path, except);
        }
        if (!S_ISREG(status.st_mode) || (status.st_mode & S_IROTH) == 0 ||
            static_cast<std::size_t>(status.st_size) > largest_copied)
            return {};
        auto contents = read_file_at(AT_FDCWD, original, largest_copied);
        if (!contents) return contents.error();
        if (contents->find("PRIVATE KEY-----") != std::string::npos) return {};
        return file(path, *contents, (status.st_mode & 0111) != 0 ? 0755 : 0644);
    }

    // The certificates that programs trust: bundles and the links to them, never a server's own certificate, which names the
    // host.
    Result<void> certificates() {
        auto made = directory("etc/ssl", 0755);
        if (!made) return made;
        for (const auto* path : {"etc/ssl/certs", "etc/ssl/openssl.cnf", "etc/ssl/cert.pem"}) {
            auto taken = copy(path, "ssl-cert-*");
            if (!taken) return taken;
        }
        auto shared = copy("etc/pki", "private");
        if (!shared) return shared;
        return drop_dangling("etc/ssl/certs");
    }

private:
    static Error failed(const std::string& path) {
        return system_error(errno, "cannot make " + shown(path) + " of the host image");
    }

    Result<void> copy_children(const std::string& path, const char* except) {
        auto host = open_directory("/" + path);
        if (!host) return host.error();
        auto names = directory_names(host->get());
        if (!names) return names.error();
        for (const auto& name : *names) {
            if (*except != '\0' && ::fnmatch(except, name.c_str(), 0) == 0) continue;
            // What a package manager or an editor left aside.
            if (::fnmatch("*.dpkg-*", name.c_str(), 0) == 0 || ::fnmatch("*.rpm*", name.c_str(), 0) == 0 || name.ends_with('~'))
                continue;
            auto child = copy(path + "/" + name, except);
            if (!child) return child;
        }
        return {};
    }

    // OpenSSL's links by hash to certificates that were left out.
    Result<void> drop_dangling(const std::string& path) {
        FileHandle directory(open_resolved(root_, path.c_str(), O_RDONLY | O_DIRECTORY, Resolve::in_root));
        if (!directory) return {};
        auto names = directory_names(directory.get());
        if (!names) return names.error();
        for (const auto& name : *names) {
            std::array<char, 4096> target;
            const auto size = ::readlinkat(directory.get(), name.c_str(), target.data(), target.size());
            if (size < 0) continue; // not a link
            const std::string to(target.data(), static_cast<std::size_t>(size));
            if (to.find('/') != std::string::npos || ::faccessat(directory.get(), to.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                continue;
            if (::unlinkat(directory.get(), name.c_str(), 0) != 0) return failed(name);
        }
        return {};
    }

    int root_;
};

// bin, sbin, lib and their like, as the host has them.
Result<void> copy_top_links(RootBuilder& builder) {
    for (const auto* name : {"bin", "sbin", "lib", "lib32", "lib64", "libx32"}) {
        const auto path = std::string("/") + name;
        struct stat status {};
        if (::lstat(path.c_str(), &status) != 0) {
            if (errno == ENOENT) continue;
            return system_error(errno, "cannot read the status of " + shown(path));
        }
        std::array<char, 4096> target;
        const auto size = ::readlink(path.c_str(), target.data(), target.size());
        const std::string to(target.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
        if (!to.starts_with("usr/") && !to.starts_with("/usr/"))
            return Error{ErrorClass::unsupported,
                         "host_not_merged_usr",
                         path + " of this host is not a link into /usr, so the host image cannot be made",
                         "use a directory or archive image, or merge /usr (on Debian: package usrmerge)",
                         "",
                         {}};
        auto made = builder.link(name, to);
        if (!made) return made;
    }
    return {};
}

Result<void> copy_configuration(RootBuilder& builder) {
    auto etc = open_directory("/etc");
    if (!etc) return etc.error();
    auto names = directory_names(etc->get());
    if (!names) return names.error();
    for (const auto& name : *names)
        for (const auto& item : copied)
            if (::fnmatch(item.pattern, name.c_str(), FNM_PERIOD) == 0) {
                auto made = builder.copy("etc/" + name, item.except);
                if (!made) return made;
                break;
            }
    return builder.certificates();
}

// What depends on the programs that the host has.
Result<void> write_accounts(RootBuilder& builder) {
    std::string shells;
    std::string shell = "/bin/sh";
    for (const auto* path :
         {"/bin/sh", "/usr/bin/sh", "/bin/bash", "/usr/bin/bash", "/bin/dash", "/usr/bin/dash", "/usr/bin/zsh", "/usr/bin/fish"})
        if (::access(path, X_OK) == 0) {
            shells += path;
            shells += '\n';
            if (std::string_view(path) == "/bin/bash") shell = path;
        }
    auto made = builder.file("etc/shells", shells, 0644);
    if (!made) return made;
    return builder.file(
        "etc/passwd",
        "root:*:0:0:root:/root:" + shell +
            "\ndaemon:*:1:1:daemon:/usr/sbin:/usr/sbin/nologin\nbin:*:2:2:bin:/bin:/usr/sbin/nologin\n"
            "mail:*:8:8:mail:/var/mail:/usr/sbin/nologin\nnobody:*:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
        0644);
}

} // namespace

Result<void> make_host_root(int root) {
    if (::fchmod(root, 0755) != 0) return system_error(errno, "cannot make the host image");
    RootBuilder builder(root);
    auto links = copy_top_links(builder);
    if (!links) return links;
    for (const auto& item : empty_directories) {
        auto made = builder.directory(item.path, item.mode);
        if (!made) return made;
    }
    for (const auto& item : texts) {
        auto made = builder.file(item.path, item.contents, 0644);
        if (!made) return made;
    }
    for (const auto& [path, target] :
         {std::pair("var/run", "/run"), std::pair("var/lock", "/run/lock"), std::pair("etc/mtab", "../proc/self/mounts"),
          std::pair("etc/os-release", "../usr/lib/os-release"), std::pair("etc/localtime", "/usr/share/zoneinfo/Etc/UTC")}) {
        auto made = builder.link(path, target);
        if (!made) return made;
    }
    auto accounts = write_accounts(builder);
    if (!accounts) return accounts;
    return copy_configuration(builder);
}

} // namespace sandboxkit::local
