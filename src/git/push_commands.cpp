// SPDX-License-Identifier: Apache-2.0
#include "git/push_commands.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace sandboxkit::git {

namespace {

constexpr std::size_t longest_line = 65520; // gitprotocol-common: of a pkt-line, its length included
constexpr std::size_t length_digits = 4;

Error malformed(std::string message) {
    return {ErrorClass::invalid, "git_push_malformed", std::move(message), "", "", {}};
}

bool is_object_id(std::string_view text) {
    return (text.size() == 40 || text.size() == 64) && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string packet(std::string_view payload) {
    std::array<char, length_digits> digits{};
    const std::size_t size = payload.size() + length_digits;
    for (std::size_t i = 0; i < length_digits; ++i) digits[i] = "0123456789abcdef"[(size >> (4 * (3 - i))) & 0xf];
    return std::string(digits.data(), digits.size()).append(payload);
}

} // namespace

bool is_reference_name(std::string_view name) {
    if (!name.starts_with("refs/") || name.ends_with('/') || name.ends_with('.')) return false;
    for (const std::string_view never : {"..", "@{", "//"})
        if (name.find(never) != std::string_view::npos) return false;
    for (const char c : name)
        if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f || std::string_view("~^:?*[\\").find(c) != std::string_view::npos)
            return false;
    for (std::size_t begin = 0; begin < name.size();) {
        const std::size_t end = std::min(name.find('/', begin), name.size());
        const std::string_view part = name.substr(begin, end - begin);
        if (part.starts_with('.') || part.ends_with(".lock")) return false;
        begin = end + 1;
    }
    return true;
}

Result<bool> PushCommandReader::feed(std::string_view bytes) {
    received_ += bytes;
    for (;;) {
        const std::string_view rest = std::string_view(received_).substr(at_);
        if (rest.size() < length_digits) break;
        std::size_t size = 0;
        const std::string_view digits = rest.substr(0, length_digits);
        const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), size, 16);
        if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size())
            return malformed("the push does not begin with git's packets");
        if (size == 0) {
            at_ += length_digits;
            return true;
        }
        if (size <= length_digits || size > longest_line) return malformed("a packet of the push has an impossible length");
        if (rest.size() < size) break;
        auto taken = take(rest.substr(length_digits, size - length_digits));
        if (!taken) return taken.error();
        at_ += size;
    }
    if (received_.size() > size_limit)
        return Error{ErrorClass::quota,
                     "git_push_too_large",
                     "the list of references of a push is longer than " + std::to_string(size_limit) + " bytes",
                     "push fewer at once",
                     "",
                     {}};
    return false;
}

Result<void> PushCommandReader::take(std::string_view line) {
    if (line.ends_with('\n')) line.remove_suffix(1);
    if (line.starts_with("push-cert"))
        return Error{ErrorClass::unsupported,
                     "git_push_certificate",
                     "signed pushes do not go through a session",
                     "push without --signed",
                     "",
                     {}};
    // Of a checkout with a depth: they tell the server where its history ends, and change nothing there.
    if (commands_.empty() && line.starts_with("shallow ")) {
        if (!is_object_id(line.substr(8))) return malformed("the push names a shallow commit that is none");
        return {};
    }
    if (const auto nul = line.find('\0'); nul != std::string_view::npos) {
        if (!commands_.empty()) return malformed("the push names its capabilities twice");
        capabilities_ = " " + std::string(line.substr(nul + 1)) + " ";
        line = line.substr(0, nul);
        // What git takes for a space between two.
        if (std::ranges::any_of(capabilities_, [](char c) { return static_cast<unsigned char>(c) < 0x20; }))
            return malformed("the capabilities of the push have control characters");
        if (capabilities_.find(" push-options") != std::string::npos) // with a value, too
            return Error{ErrorClass::unsupported,
                         "git_push_option",
                         "push options do not go through a session",
                         "push without --push-option",
                         "",
                         {}};
    }
    const auto first = line.find(' ');
    const auto second = first == std::string_view::npos ? first : line.find(' ', first + 1);
    if (second == std::string_view::npos) return malformed("a command of the push is not two objects and a reference");
    PushCommand command{std::string(line.substr(0, first)), std::string(line.substr(first + 1, second - first - 1)),
                        std::string(line.substr(second + 1))};
    if (!is_object_id(command.old_id) || command.old_id.size() != command.new_id.size() || !is_object_id(command.new_id))
        return malformed("a command of the push names an object that is none");
    if (!is_reference_name(command.reference)) return malformed("a command of the push names a reference that cannot be one");
    if (commands_.size() == count_limit)
        return Error{ErrorClass::quota,
                     "git_push_too_large",
                     "a push changes more than " + std::to_string(count_limit) + " references",
                     "push fewer at once",
                     "",
                     {}};
    commands_.push_back(std::move(command));
    return {};
}

bool PushCommandReader::has_capability(std::string_view name) const {
    return capabilities_.find(" " + std::string(name) + " ") != std::string::npos;
}

std::optional<std::string> report_refusal(const PushCommandReader& reader,
                                          const std::vector<std::optional<std::string>>& reasons) {
    if (!reader.has_capability("report-status") && !reader.has_capability("report-status-v2")) return {};
    std::string report = packet("unpack ok\n");
    for (std::size_t i = 0; i < reader.commands().size(); ++i)
        report += packet("ng " + reader.commands()[i].reference + " " +
                         reasons[i].value_or("another reference of the same push is refused") + "\n");
    report += "0000";
    if (!reader.has_capability("side-band-64k")) return report;
    constexpr std::size_t largest = longest_line - length_digits - 1;
    std::string out;
    for (std::size_t at = 0; at < report.size(); at += largest) out += packet("\x01" + report.substr(at, largest));
    return out += "0000";
}

} // namespace sandboxkit::git
