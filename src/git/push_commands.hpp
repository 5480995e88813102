// SPDX-License-Identifier: Apache-2.0
// The first part of a push as git sends it (gitprotocol-pack: "reference update request"): which references it changes, before
// its pack. The bytes come from the sandbox and are not trusted. No I/O.
#pragma once

#include <sandboxkit/error.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit::git {

// Git's own rule (git-check-ref-format) for a whole name, with its "refs/".
[[nodiscard]] bool is_reference_name(std::string_view name);

struct PushCommand {
    std::string old_id, new_id; // 40 or 64 digits; all zeros: there is none
    std::string reference;      // a valid name
    [[nodiscard]] bool deletes() const { return new_id.find_first_not_of('0') == std::string::npos; }
    friend bool operator==(const PushCommand&, const PushCommand&) = default;
};

// Reads the list of commands, however its bytes are cut. What could do more than change these references is refused: push
// options, which some servers act on, and certificates, whose commands are elsewhere.
class PushCommandReader {
public:
    static constexpr std::size_t size_limit = 1 << 20; // bytes of the list
    static constexpr std::size_t count_limit = 4096;

    // Takes the next bytes. True when the list is complete; nothing is fed after that. Errors are final: invalid
    // "git_push_malformed", unsupported "git_push_option" and "git_push_certificate", quota "git_push_too_large".
    Result<bool> feed(std::string_view bytes);

    // All bytes that were fed: the list, and what came of the pack with its end.
    [[nodiscard]] const std::string& received() const { return received_; }
    // Empty also when git only tries whether it is let in.
    [[nodiscard]] const std::vector<PushCommand>& commands() const { return commands_; }
    [[nodiscard]] bool has_capability(std::string_view name) const;

private:
    Result<void> take(std::string_view line);

    std::string received_;
    std::size_t at_ = 0; // what was read of it
    std::vector<PushCommand> commands_;
    std::string capabilities_; // between spaces
};

// The answer to a push of which nothing is done, as `reader` says that git wants it: each reference with its reason, by its
// place in the list; one without a reason fell with the others. Nothing: git asked for no report.
[[nodiscard]] std::optional<std::string> report_refusal(const PushCommandReader& reader,
                                                        const std::vector<std::optional<std::string>>& reasons);

} // namespace sandboxkit::git
