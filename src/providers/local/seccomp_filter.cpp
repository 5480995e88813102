// SPDX-License-Identifier: Apache-2.0
#include "providers/local/seccomp_filter.hpp"

#include "sandbox/seccomp_rules.hpp"

#include <sandboxkit/digest.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

namespace sandboxkit::local {
namespace fs = std::filesystem;
namespace {

using namespace posture;

#if defined(__x86_64__)
constexpr std::uint32_t native_audit_arch = AUDIT_ARCH_X86_64;
constexpr std::uint32_t compatible_arch = SCMP_ARCH_X86;
#elif defined(__aarch64__)
constexpr std::uint32_t native_audit_arch = AUDIT_ARCH_AARCH64;
constexpr std::uint32_t compatible_arch = SCMP_ARCH_ARM;
#else
#error "the system call filter knows x86-64 and arm64"
#endif

constexpr std::string_view revision = "1"; // of the code below; part of the cache's key
constexpr std::size_t most_instructions = BPF_MAXINSNS;

Error unavailable(const char* what, int result) {
    return {ErrorClass::unsupported,
            "seccomp_unavailable",
            std::string("could not compile the system call filter: ") + what,
            "install libseccomp 2.5 or later",
            std::strerror(-result),
            {}};
}

// Adds rules and keeps the first failure. Calls that an architecture lacks are not a failure.
class RuleWriter {
public:
    explicit RuleWriter(scmp_filter_ctx context) : context_(context) {}

    void add(std::uint32_t action, const char* name, std::vector<scmp_arg_cmp> conditions = {}) {
        const int number = seccomp_syscall_resolve_name(name);
        if (number == __NR_SCMP_ERROR) return; // newer than the library
        const int native = seccomp_syscall_resolve_name_arch(seccomp_arch_native(), name);
        highest_ = std::max(highest_, native);
        const int result =
            seccomp_rule_add_array(context_, action, number, static_cast<unsigned>(conditions.size()), conditions.data());
        if (result < 0 && failure_ == 0) {
            failure_ = result;
            failed_ = name;
        }
    }
    [[nodiscard]] int failure() const { return failure_; }
    [[nodiscard]] const char* failed() const { return failed_; }
    [[nodiscard]] std::uint32_t highest() const { return static_cast<std::uint32_t>(highest_); }

private:
    scmp_filter_ctx context_;
    int failure_ = 0;
    const char* failed_ = "";
    int highest_ = 0;
};

// For a masked comparison the value is the mask, and what remains must be 0.
scmp_arg_cmp first_argument(scmp_compare comparison, unsigned long value) {
    return {0, comparison, value, 0};
}

void write_rules(RuleWriter& rules) {
    for (const char* name : allowed_calls) rules.add(SCMP_ACT_ALLOW, name);
    for (const char* name : absent_calls) rules.add(SCMP_ACT_ERRNO(ENOSYS), name);
    rules.add(SCMP_ACT_ALLOW, "clone", {first_argument(SCMP_CMP_MASKED_EQ, namespace_flags)});
    for (const unsigned long value : personalities)
        rules.add(SCMP_ACT_ALLOW, "personality", {first_argument(SCMP_CMP_EQ, value)});
    // The kernel takes 32 bits of the argument, the filter compares 64: bits above make any family one that is refused.
    rules.add(SCMP_ACT_ALLOW, "socket", {first_argument(SCMP_CMP_LT, first_refused_family)});
    rules.add(SCMP_ACT_ERRNO(EAFNOSUPPORT), "socket", {first_argument(SCMP_CMP_GE, first_refused_family)});
}

// The highest number that libseccomp has a name for: above it are calls that the list could not know.
std::uint32_t highest_known(std::uint32_t at_least) {
    std::uint32_t highest = at_least;
    for (std::uint32_t number = at_least; number < 1024; ++number) {
        const std::unique_ptr<char, decltype(&::free)> name(
            seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, static_cast<int>(number)), &::free);
        if (name) highest = number;
    }
    return highest;
}

sock_filter statement(std::uint16_t code, std::uint32_t k, std::uint8_t yes = 0, std::uint8_t no = 0) {
    return {code, yes, no, k};
}

// Put before the compiled program, whose jumps are all relative. On x86-64 it also answers every x32 call.
std::vector<sock_filter> newer_calls_are_absent(std::uint32_t highest) {
    return {
        statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
        statement(BPF_JMP | BPF_JEQ | BPF_K, native_audit_arch, 0, 3),
        statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        statement(BPF_JMP | BPF_JGT | BPF_K, highest, 0, 1),
        statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
    };
}

Result<std::string> export_program(scmp_filter_ctx context) {
    FileHandle file(::memfd_create("seccomp", MFD_CLOEXEC));
    if (!file) return system_error(errno, "cannot make a file in memory");
    if (const int result = seccomp_export_bpf(context, file.get()); result < 0) return unavailable("export", result);
    const off_t size = ::lseek(file.get(), 0, SEEK_END);
    std::string bytes(static_cast<std::size_t>(std::max<off_t>(size, 0)), '\0');
    if (::pread(file.get(), bytes.data(), bytes.size(), 0) != size) return system_error(errno, "cannot read the compiled filter");
    return bytes;
}

bool plausible(const std::string& program) {
    return !program.empty() && program.size() % sizeof(sock_filter) == 0 &&
           program.size() / sizeof(sock_filter) <= most_instructions;
}

Result<FileHandle> seal(const std::string& program) {
    FileHandle file(::memfd_create("sandboxkit-seccomp", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!file) return system_error(errno, "cannot make a file in memory");
    if (::write(file.get(), program.data(), program.size()) != static_cast<ssize_t>(program.size()) ||
        ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
        return system_error(errno, "cannot seal the compiled filter");
    return file;
}

} // namespace

Result<std::string> compile_seccomp_filter() {
    const std::unique_ptr<void, decltype(&seccomp_release)> context(seccomp_init(SCMP_ACT_ERRNO(EPERM)), &seccomp_release);
    if (!context) return unavailable("init", -ENOMEM);
    // A call of an architecture that is not listed (x32, for one) is absent.
    if (const int result = seccomp_attr_set(context.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS)); result < 0)
        return unavailable("attribute", result);
    // A binary tree instead of a list: a few comparisons a call.
    if (const int result = seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2); result < 0)
        return unavailable("attribute", result);
    if (const int result = seccomp_arch_add(context.get(), compatible_arch); result < 0 && result != -EEXIST)
        return unavailable("architecture", result);

    RuleWriter rules(context.get());
    write_rules(rules);
    if (rules.failure() != 0) return unavailable(rules.failed(), rules.failure());
    auto compiled = export_program(context.get());
    if (!compiled) return compiled;

    const auto prologue = newer_calls_are_absent(highest_known(rules.highest()));
    std::string program(reinterpret_cast<const char*>(prologue.data()), prologue.size() * sizeof(sock_filter));
    program += *compiled;
    if (!plausible(program)) return unavailable("size", -E2BIG);
    return program;
}

std::string seccomp_filter_key() {
    const scmp_version* version = seccomp_version();
    std::string text = "revision " + std::string(revision) + ";arch " + std::to_string(seccomp_arch_native()) + ";libseccomp " +
                       std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
                       std::to_string(version->micro);
    for (const char* name : allowed_calls) text += std::string(";") + name;
    for (const char* name : absent_calls) text += std::string(";-") + name;
    for (const unsigned long value : personalities) text += ";p" + std::to_string(value);
    text += ";f" + std::to_string(first_refused_family) + ";n" + std::to_string(namespace_flags);
    return sha256_hex(text).substr(0, 32);
}

Result<SeccompFilter> SeccompFilter::load(const fs::path& cache) {
    SeccompFilter filter;
    const fs::path file = cache / ("seccomp-" + seccomp_filter_key());
    // The digest is the last line of the file: one that was cut short is not loaded.
    std::ifstream stored(file, std::ios::binary);
    if (stored) {
        std::string bytes{std::istreambuf_iterator<char>(stored), {}};
        constexpr std::size_t digest_size = 64;
        if (bytes.size() > digest_size) {
            const std::string digest = bytes.substr(bytes.size() - digest_size);
            bytes.resize(bytes.size() - digest_size);
            if (plausible(bytes) && sha256_hex(bytes) == digest) filter.program_ = std::move(bytes);
        }
    }
    if (filter.program_.empty()) {
        auto compiled = compile_seccomp_filter();
        if (!compiled) return compiled.error();
        filter.program_ = std::move(*compiled);
        const fs::path fresh = file.string() + "." + random_name(8);
        std::ofstream out(fresh, std::ios::binary | std::ios::trunc);
        out << filter.program_ << sha256_hex(filter.program_);
        out.close();
        std::error_code error;
        if (out) fs::rename(fresh, file, error);
        if (!out || error) return system_error(error ? error.value() : EIO, "cannot write " + file.string());
    }
    auto sealed = seal(filter.program_);
    if (!sealed) return sealed.error();
    filter.sealed_ = std::move(*sealed);
    return filter;
}

Result<FileHandle> SeccompFilter::open() const {
    FileHandle file(::open(("/proc/self/fd/" + std::to_string(sealed_.get())).c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return system_error(errno, "cannot open the compiled filter");
    return file;
}

} // namespace sandboxkit::local
