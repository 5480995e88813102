// SPDX-License-Identifier: Apache-2.0
// The beginning of a push, as the sandbox sends it. The first byte of the input says how the rest is cut into pieces.
#include "git/push_commands.hpp"
#include "git/session_access.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

using namespace sandboxkit::git;

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::size_t piece = data[0] == 0 ? size : data[0];
    const std::string_view all(reinterpret_cast<const char*>(data) + 1, size - 1);
    (void)read_git_request("GET", all, "");
    (void)read_git_request("POST", all, "application/x-git-receive-pack-request");
    PushCommandReader reader;
    for (std::string_view rest = all; !rest.empty(); rest.remove_prefix(std::min(piece, rest.size()))) {
        const auto fed = reader.feed(rest.substr(0, piece));
        if (!fed) return 0;
        require(reader.received() == all.substr(0, reader.received().size()));
        if (!*fed) continue;
        std::vector<std::optional<std::string>> reasons;
        for (const auto& command : reader.commands()) {
            require(is_reference_name(command.reference));
            require(command.old_id.size() == command.new_id.size());
            reasons.push_back(push_refusal(command));
        }
        (void)report_refusal(reader, reasons);
        return 0;
    }
    return 0;
}
