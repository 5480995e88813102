// SPDX-License-Identifier: Apache-2.0
#include "provider_json.hpp"

#include <sandboxkit/object_reader.hpp>
#include <sandboxkit/profile_rules.hpp>
#include <sandboxkit/strict_json.hpp>

#include <boost/json/array.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

namespace sandboxkit::capi {

namespace json = boost::json;

namespace {

constexpr std::size_t longest_id = 4096;
constexpr std::size_t longest_text = 64 << 10;
constexpr std::size_t longest_authorities = 1 << 20;
constexpr std::uint64_t longest_time = std::uint64_t{1} << 53; // microseconds

constexpr std::array<std::pair<std::string_view, SandboxState>, 3> states{
    {{"created", SandboxState::created}, {"running", SandboxState::running}, {"ended", SandboxState::ended}}};

constexpr std::array<std::pair<std::string_view, ErrorClass>, 11> error_classes{{
    {"invalid", ErrorClass::invalid},
    {"not_found", ErrorClass::not_found},
    {"conflict", ErrorClass::conflict},
    {"permission", ErrorClass::permission},
    {"unavailable", ErrorClass::unavailable},
    {"quota", ErrorClass::quota},
    {"timeout", ErrorClass::timeout},
    {"cancelled", ErrorClass::cancelled},
    {"data_loss", ErrorClass::data_loss},
    {"unsupported", ErrorClass::unsupported},
    {"internal", ErrorClass::internal},
}};

constexpr std::string_view egress_name(Egress egress) {
    switch (egress) {
    case Egress::none: return "none";
    case Egress::open: return "open";
    case Egress::allowlist: return "allowlist";
    }
    return "none";
}

// A string that has to be there and say something.
std::string name_in(ObjectReader& reader, std::string_view member, std::size_t longest) {
    reader.require(member);
    auto text = reader.string(member, longest);
    if (text && (text->empty() || detail::has_control_character(*text)))
        reader.problem(member, "bad_value", "expected text without control characters, and not none");
    return text.value_or("");
}

bool flag_in(ObjectReader& reader, std::string_view member) {
    return reader.boolean(member).value_or(false);
}

std::vector<std::string> texts_in(ObjectReader& reader, std::string_view member, ProblemList& problems) {
    std::vector<std::string> texts;
    if (const auto* array = reader.array(member))
        for (std::size_t i = 0; i < array->size(); ++i)
            if (auto text = ObjectReader::string_of((*array)[i], pointer_to(reader.pointer(member), i), longest_id, problems))
                texts.push_back(std::move(*text));
    return texts;
}

std::map<std::string, std::string> text_map_in(ObjectReader& reader, std::string_view member, ProblemList& problems) {
    std::map<std::string, std::string> texts;
    const auto inner = reader.object(member);
    if (!inner || !inner->is_object()) return texts;
    for (const auto& [name, value] : reader.member(member)->get_object())
        if (auto text = ObjectReader::string_of(value, inner->pointer(name), longest_text, problems))
            texts.emplace(name, std::move(*text));
    return texts;
}

std::map<std::string, std::string> labels_in(ObjectReader& reader, ProblemList& problems) {
    reader.require("labels"); // without them a sandbox would be nobody's
    return text_map_in(reader, "labels", problems);
}

void read(const json::value& value, const std::string& pointer, ProblemList& problems, Capabilities& out) {
    ObjectReader reader(value, pointer, problems);
    out.capture = flag_in(reader, "capture");
    out.capture_attributes = flag_in(reader, "capture_attributes");
    out.capture_holes = flag_in(reader, "capture_holes");
    out.stop_and_resume = flag_in(reader, "stop_and_resume");
    out.read_only_paths = flag_in(reader, "read_only_paths");
    out.egress_none = flag_in(reader, "egress_none");
    out.egress_open = flag_in(reader, "egress_open");
    out.cpu_limit = flag_in(reader, "cpu_limit");
    out.memory_limit = flag_in(reader, "memory_limit");
    out.process_limit = flag_in(reader, "process_limit");
    out.disk_limit = flag_in(reader, "disk_limit");
    out.volumes = flag_in(reader, "volumes");
    out.image_kinds = texts_in(reader, "image_kinds", problems);
    out.identity = reader.string("identity", longest_id).value_or("");
    out.facts = text_map_in(reader, "facts", problems);
    reader.finish();
}

void read(const json::value& value, const std::string& pointer, ProblemList& problems, Ingredient& out) {
    ObjectReader reader(value, pointer, problems);
    out.kind = name_in(reader, "kind", longest_id);
    out.name = name_in(reader, "name", longest_id);
    out.digest = name_in(reader, "digest", longest_id);
    out.branch = reader.string("branch", longest_id).value_or("");
    reader.finish();
}

void read(const json::value& value, const std::string& pointer, ProblemList& problems, ImageInfo& out) {
    ObjectReader reader(value, pointer, problems);
    out.id = name_in(reader, "id", longest_id);
    out.labels = labels_in(reader, problems);
    if (const auto* ingredients = reader.array("ingredients"))
        for (std::size_t i = 0; i < ingredients->size(); ++i) {
            out.ingredients.emplace_back();
            read((*ingredients)[i], pointer_to(reader.pointer("ingredients"), i), problems, out.ingredients.back());
        }
    out.stale = flag_in(reader, "stale");
    reader.finish();
}

void read(const json::value& value, const std::string& pointer, ProblemList& problems, SandboxInfo& out) {
    ObjectReader reader(value, pointer, problems);
    out.id = name_in(reader, "id", longest_id);
    reader.require("token");
    out.token = reader.string("token", longest_id).value_or(""); // whatever is in it: it is what create() was given
    reader.require("state");
    out.state = reader.choice<SandboxState>("state", states).value_or(SandboxState::created);
    out.labels = labels_in(reader, problems);
    out.unenforced = texts_in(reader, "unenforced", problems);
    reader.finish();
}

// Names and values go into requests as they are: nothing in them may end a header.
void check_headers(ObjectReader& reader, const std::map<std::string, std::string>& headers, ProblemList& problems) {
    constexpr std::string_view others = "!#$%&'*+-.^_`|~"; // RFC 9110, token
    for (const auto& [name, value] : headers) {
        const bool token = !name.empty() && std::all_of(name.begin(), name.end(), [&](unsigned char c) {
            return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
                   others.find(static_cast<char>(c)) != std::string_view::npos;
        });
        if (!token || detail::has_control_character(value))
            problems.add(pointer_to(reader.pointer("headers"), name), "bad_value", "this is no HTTP header");
    }
}

void read(const json::value& value, const std::string& pointer, ProblemList& problems, Endpoint& out) {
    ObjectReader reader(value, pointer, problems);
    const bool local = reader.member("unix_socket") != nullptr;
    if (reader.is_object() && local == (reader.member("host") != nullptr))
        problems.add(pointer, "bad_value", "expected one of \"unix_socket\" and \"host\"", "say one of them");
    if (local) {
        out.unix_socket = name_in(reader, "unix_socket", longest_id);
        if (!out.unix_socket.empty() && !out.unix_socket.is_absolute())
            reader.problem("unix_socket", "bad_value", "expected an absolute path");
    } else {
        if (reader.has("host")) out.host = name_in(reader, "host", 253);
        if (reader.has("host")) reader.require("port");
    }
    out.port = static_cast<std::uint16_t>(reader.integer("port", 1, 65535).value_or(0));
    out.tls = flag_in(reader, "tls");
    out.tls_ca = reader.string("tls_ca", longest_authorities).value_or("");
    out.token_in_the_clear = flag_in(reader, "token_in_the_clear");
    if (local)
        for (const auto* member : {"port", "tls", "tls_ca", "token_in_the_clear"})
            if (reader.has(member)) reader.problem(member, "bad_value", "this is for an endpoint with a host", "leave it out");
    if (!out.tls && !out.tls_ca.empty()) reader.problem("tls_ca", "bad_value", "this is for an endpoint with \"tls\": true");
    out.headers = text_map_in(reader, "headers", problems);
    check_headers(reader, out.headers, problems);
    out.access_token = reader.string("access_token", longest_text).value_or("");
    if (detail::has_control_character(out.access_token))
        reader.problem("access_token", "bad_value", "a token has no control characters");
    reader.finish();
}

void read(const json::value& value, const std::string& pointer, ProblemList& problems, CaptureResult& out) {
    ObjectReader reader(value, pointer, problems);
    reader.require("image");
    if (const auto* image = reader.member("image")) read(*image, reader.pointer("image"), problems, out.image);
    out.sealed = std::chrono::microseconds(reader.integer("sealed_us", 0, longest_time).value_or(0));
    out.synced = std::chrono::microseconds(reader.integer("synced_us", 0, longest_time).value_or(0));
    reader.finish();
}

void read(const json::value& value, const std::string& pointer, ProblemList& problems, VolumeInfo& out) {
    ObjectReader reader(value, pointer, problems);
    out.id = name_in(reader, "id", longest_id);
    out.labels = labels_in(reader, problems);
    reader.finish();
}

template <class T>
void read(const json::value& value, const std::string& pointer, ProblemList& problems, std::vector<T>& out) {
    const auto* array = value.if_array();
    if (!array) {
        ObjectReader::report_type(problems, pointer, "an array", value);
        return;
    }
    for (std::size_t i = 0; i < array->size(); ++i) {
        out.emplace_back();
        read((*array)[i], pointer_to(pointer, i), problems, out.back());
    }
}

void read(const json::value& value, const std::string& pointer, ProblemList& problems, Error& out) {
    ObjectReader reader(value, pointer, problems);
    reader.require("class");
    out.kind = reader.choice<ErrorClass>("class", error_classes).value_or(ErrorClass::internal);
    out.code = name_in(reader, "code", 64);
    if (!std::all_of(out.code.begin(), out.code.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; }))
        reader.problem("code", "bad_value", "expected lower case letters, digits and '_'");
    out.message = name_in(reader, "message", longest_id);
    out.remedy = reader.string("remedy", longest_id).value_or("");
    out.detail = reader.string("detail", longest_text).value_or("");
    reader.finish();
}

// The error that an answer says; nothing: it says none.
std::optional<Error> error_in(const json::value& answer, ProblemList& problems) {
    const auto* object = answer.if_object();
    if (!object || !object->contains("error")) return {};
    ObjectReader reader(answer, "", problems);
    Error error;
    read(*reader.member("error"), reader.pointer("error"), problems, error);
    reader.finish();
    return error;
}

} // namespace

Error wrong_provider_answer(std::vector<Problem> problems) {
    auto error = document_error("provider_answer", "the provider's answer", std::move(problems));
    error.kind = ErrorClass::internal; // a peer that broke its own protocol
    return error;
}

template <class T>
Result<void> read_provider_answer(const json::value& answer, std::optional<Result<T>>& out) {
    ProblemList problems;
    if (auto error = error_in(answer, problems)) {
        out.emplace(std::move(*error));
    } else if constexpr (std::is_void_v<T>) {
        if (!answer.is_null()) ObjectReader::report_type(problems, "", "null", answer);
        out.emplace();
    } else {
        T value{};
        read(answer, "", problems, value);
        out.emplace(std::move(value));
    }
    if (!problems.empty()) return wrong_provider_answer(problems.take());
    return {};
}
template Result<void> read_provider_answer(const json::value&, std::optional<Result<void>>&);
template Result<void> read_provider_answer(const json::value&, std::optional<Result<Capabilities>>&);
template Result<void> read_provider_answer(const json::value&, std::optional<Result<ImageInfo>>&);
template Result<void> read_provider_answer(const json::value&, std::optional<Result<std::vector<ImageInfo>>>&);
template Result<void> read_provider_answer(const json::value&, std::optional<Result<SandboxInfo>>&);
template Result<void> read_provider_answer(const json::value&, std::optional<Result<std::vector<SandboxInfo>>>&);
template Result<void> read_provider_answer(const json::value&, std::optional<Result<Endpoint>>&);
template Result<void> read_provider_answer(const json::value&, std::optional<Result<CaptureResult>>&);
template Result<void> read_provider_answer(const json::value&, std::optional<Result<VolumeInfo>>&);
template Result<void> read_provider_answer(const json::value&, std::optional<Result<std::vector<VolumeInfo>>>&);

json::object to_json(const std::map<std::string, std::string>& texts) {
    json::object object;
    for (const auto& [name, text] : texts) object[name] = text;
    return object;
}

json::object to_json(const CreateRequest& request) {
    json::object limits{{"cpus", request.limits.cpus},
                        {"memory_bytes", request.limits.memory_bytes},
                        {"processes", request.limits.processes},
                        {"disk_bytes", nullptr}};
    if (request.limits.disk_bytes) limits["disk_bytes"] = *request.limits.disk_bytes;
    json::array read_only, volumes;
    for (const auto& path : request.read_only_paths) read_only.emplace_back(path);
    for (const auto& volume : request.volumes)
        volumes.push_back({{"volume_id", volume.volume_id}, {"path", volume.path}, {"read_only", volume.read_only}});
    return {{"token", request.token},       {"image_id", request.image_id},          {"labels", to_json(request.labels)},
            {"limits", std::move(limits)},  {"egress", egress_name(request.egress)}, {"read_only_paths", std::move(read_only)},
            {"hostname", request.hostname}, {"volumes", std::move(volumes)}};
}

Result<json::object> to_json(const ImageRequest& request) {
    json::array trees;
    for (const auto& tree : request.trees) {
        // An event is UTF-8: another path would come out as one that is not there.
        for (const auto& path : {tree.source.string(), tree.target})
            if (invalid_utf8_at(path) != std::string_view::npos)
                return Error{ErrorClass::invalid,
                             "path_not_utf8",
                             "a path that a provider of the host application is told has to be UTF-8",
                             "give the engine a state directory with such a path",
                             "",
                             {}};
        trees.push_back({{"source", tree.source.string()}, {"target", tree.target}});
    }
    json::object object{
        {"image", request.image}, {"digest", nullptr}, {"trees", std::move(trees)}, {"labels", to_json(request.labels)}};
    if (request.digest) object["digest"] = *request.digest;
    return object;
}

} // namespace sandboxkit::capi
