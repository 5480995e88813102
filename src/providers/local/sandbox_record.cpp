// SPDX-License-Identifier: Apache-2.0
#include "providers/local/sandbox_record.hpp"

#include <sandboxkit/digest.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>

namespace sandboxkit::local {
namespace json = boost::json;
namespace {

Error damaged(const std::string& what) {
    return {ErrorClass::data_loss,
            "sandbox_record_damaged",
            "the record of a sandbox cannot be read",
            "destroy the sandbox",
            what,
            {}};
}

json::object identity_to_json(const ProcessIdentity& identity) {
    return {{"pid", identity.pid}, {"start_time", identity.start_time}, {"boot_id", identity.boot_id}};
}

ProcessIdentity identity_from_json(const json::value& value) {
    const auto& object = value.as_object();
    return {object.at("pid").to_number<pid_t>(), object.at("start_time").to_number<std::uint64_t>(),
            std::string(object.at("boot_id").as_string())};
}

} // namespace

std::string sandbox_id(std::string_view token) {
    return "sbx_" + sha256_hex(token).substr(0, 20);
}

std::string write_sandbox_record(const SandboxRecord& record) {
    const CreateRequest& request = record.request;
    json::object labels;
    for (const auto& [name, value] : request.labels) labels[name] = value;
    json::object limits{
        {"cpus", request.limits.cpus}, {"memory_bytes", request.limits.memory_bytes}, {"processes", request.limits.processes}};
    if (request.limits.disk_bytes) limits["disk_bytes"] = *request.limits.disk_bytes;
    json::array read_only;
    for (const auto& each : request.read_only_paths) read_only.emplace_back(each);
    const json::object object{
        {"format", 1},
        {"id", record.id},
        {"token", request.token},
        {"image", request.image_id},
        {"labels", labels},
        {"limits", limits},
        {"egress", request.egress == Egress::open ? "open" : "none"},
        {"read_only_paths", read_only},
        {"hostname", request.hostname},
    };
    return json::serialize(object);
}

Result<SandboxRecord> read_sandbox_record(std::string_view text) {
    boost::system::error_code torn;
    const json::value value = json::parse(text, torn);
    if (torn)
        return Error{ErrorClass::data_loss, "sandbox_record_torn", "the record of a sandbox ends early", "", torn.message(), {}};
    try {
        const auto& object = value.as_object();
        if (object.at("format").as_int64() != 1) return damaged("it has another format");
        SandboxRecord record;
        record.id = object.at("id").as_string();
        CreateRequest& request = record.request;
        request.token = object.at("token").as_string();
        request.image_id = object.at("image").as_string();
        for (const auto& [name, label] : object.at("labels").as_object()) request.labels[name] = label.as_string();
        const auto& limits = object.at("limits").as_object();
        request.limits.cpus = limits.at("cpus").to_number<double>();
        request.limits.memory_bytes = limits.at("memory_bytes").to_number<std::uint64_t>();
        request.limits.processes = limits.at("processes").to_number<std::uint32_t>();
        if (const auto* disk = limits.if_contains("disk_bytes")) request.limits.disk_bytes = disk->to_number<std::uint64_t>();
        request.egress = object.at("egress").as_string() == "open" ? Egress::open : Egress::none;
        for (const auto& each : object.at("read_only_paths").as_array()) request.read_only_paths.emplace_back(each.as_string());
        request.hostname = object.at("hostname").as_string();
        return record;
    } catch (const std::exception& e) {
        return damaged(e.what());
    }
}

std::string write_run_record(const RunRecord& record) {
    json::object object{{"guest", identity_to_json(record.guest)}};
    if (record.slirp) object["slirp"] = identity_to_json(*record.slirp);
    return json::serialize(object);
}

Result<RunRecord> read_run_record(std::string_view text) {
    try {
        const json::value value = json::parse(text);
        RunRecord record;
        record.guest = identity_from_json(value.as_object().at("guest"));
        if (const auto* slirp = value.as_object().if_contains("slirp")) record.slirp = identity_from_json(*slirp);
        return record;
    } catch (const std::exception& e) {
        return damaged(e.what());
    }
}

} // namespace sandboxkit::local
