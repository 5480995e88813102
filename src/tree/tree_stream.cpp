// SPDX-License-Identifier: Apache-2.0
#include "tree/tree_stream.hpp"

#include "tree/tree_packer.hpp"
#include "tree/tree_unpacker.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

namespace sandboxkit::tree {

namespace {

constexpr std::size_t padding_limit = 16 << 20; // of what writers of tar fill their last block up with

Error to_error(TreeFailure failure) {
    const auto error = [&](ErrorClass kind, const char* code, const char* remedy = "") {
        return Error{kind, code, std::move(failure.message), remedy, "", {}};
    };
    switch (failure.error) {
    case ENOENT: return error(ErrorClass::not_found, "path_not_found", "check the path");
    case EACCES:
    case EPERM:
    case EROFS: return error(ErrorClass::permission, "path_not_permitted");
    case ENOSPC:
    case EDQUOT: return error(ErrorClass::quota, "disk_full", "make room");
    case EFBIG: return error(ErrorClass::quota, "tree_too_large", "allow more, or take less");
    case EPIPE: return error(ErrorClass::unavailable, "tree_unread");
    default: return error(ErrorClass::invalid, "tree_refused");
    }
}

TreeFailure send_bytes(int socket, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return {errno, "cannot pass the archive on: " + std::string(describe(errno))};
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
}

TreeFailure receive_bytes(int socket, TreeUnpacker& unpacker) {
    std::array<char, 128 << 10> piece;
    for (std::size_t padding = 0;;) {
        const ssize_t n = ::recv(socket, piece.data(), piece.size(), 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return {errno, "cannot take the archive: " + std::string(describe(errno))};
        if (n == 0) return unpacker.finish();
        if (unpacker.complete()) padding += static_cast<std::size_t>(n);
        if (padding > padding_limit) return {EINVAL, "the archive is refused: it does not stop after its end"};
        auto failure = unpacker.feed(std::string_view(piece.data(), static_cast<std::size_t>(n)));
        if (failure.error != 0) return failure;
    }
}

TreeSummary summary_of(const TreeCount& count) {
    return {count.entries, count.bytes};
}

} // namespace

Result<TreeSummary> send_tree(const std::filesystem::path& path, int socket) {
    TreePacker packer([socket](std::string_view bytes) { return send_bytes(socket, bytes); },
                      [](const struct stat&, TarEntry&) {});
    auto failure = packer.pack(path.string());
    if (failure.error != 0) return to_error(std::move(failure));
    ::shutdown(socket, SHUT_WR);
    return summary_of(packer.count());
}

Result<TreeSummary> receive_tree(int socket, const std::filesystem::path& directory, const TreeLimits& limits) {
    std::error_code ec;
    std::filesystem::create_directories(directory, ec);
    FileDescriptor root(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root) return to_error({errno, "cannot open '" + directory.string() + "': " + std::string(describe(errno))});
    TreeUnpacker unpacker(std::move(root), {false, true, limits});
    auto failure = receive_bytes(socket, unpacker);
    if (failure.error != 0) return to_error(std::move(failure));
    return summary_of(unpacker.count());
}

} // namespace sandboxkit::tree
