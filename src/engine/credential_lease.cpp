// SPDX-License-Identifier: Apache-2.0
#include "engine/credential_lease.hpp"

#include <sandboxkit/answers_json.hpp>

#include <boost/json/serialize.hpp>

namespace sandboxkit::engine {

namespace json = boost::json;

namespace {

// "host[:port]" of a URL without credentials.
std::string host_of(std::string_view url) {
    const auto scheme = url.find("://");
    if (scheme != std::string_view::npos) url.remove_prefix(scheme + 3);
    return std::string(url.substr(0, url.find('/')));
}

json::object detail_of(const CredentialRequest& request, const std::optional<Credential>& given) {
    json::object detail{{"purpose", to_string(request.purpose)}, {"given", given.has_value()}};
    detail[request.purpose == CredentialPurpose::pull ? "registry" : "host"] = host_of(request.url);
    if (!request.repository.empty()) detail["repository"] = request.repository;
    if (request.connection) detail["connection"] = *request.connection;
    if (given && given->expires) detail["expires"] = time_text(std::chrono::floor<std::chrono::milliseconds>(*given->expires));
    return detail;
}

} // namespace

Result<std::optional<Credential>> CredentialLease::ask() {
    give_back({.over = true, .refused = false});
    CredentialSource* const source = context_.options.credentials.get();
    if (!source) return std::nullopt;
    auto given = source->credential(request_);
    if (given && *given) held_ = **given;
    if (auto recorded = record(held_); !recorded) {
        give_back({.over = true, .refused = false});
        return recorded.error();
    }
    return given;
}

Result<void> CredentialLease::record(const std::optional<Credential>& given) {
    store::CredentialRecord record;
    record.profile = request_.profile;
    record.version = request_.version;
    record.job = request_.job;
    record.session = request_.session;
    record.detail = json::serialize(detail_of(request_, given));
    record.now = context_.now();
    return context_.store->record_credential(record);
}

void CredentialLease::give_back(CredentialUse use) noexcept {
    if (!held_) return;
    try {
        const Credential credential = *held_;
        held_.reset();
        if (auto released = release(credential, use); !released) log_kept(released.error());
    } catch (...) { // no memory for a line of the log
    }
}

Result<void> CredentialLease::release(const Credential& credential, CredentialUse use) {
    try {
        return context_.options.credentials->release(request_, credential, use);
    } catch (...) { // of the host application
        return Error{ErrorClass::internal, "exception", "", "", "", {}};
    }
}

void CredentialLease::log_kept(const Error& error) const {
    LogFields fields{
        {"purpose", std::string(to_string(request_.purpose))}, {"host", host_of(request_.url)}, {"profile", request_.profile}};
    if (!request_.job.empty()) fields.emplace_back("job", request_.job);
    if (!request_.session.empty()) fields.emplace_back("session", request_.session);
    context_.log(LogLevel::warning, "credential.kept", "a credential could not be given back",
                 with_error(std::move(fields), error));
}

} // namespace sandboxkit::engine
