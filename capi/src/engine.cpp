// SPDX-License-Identifier: Apache-2.0
// Engines: how they are opened and closed, and what this host can do.
#include "client.hpp"
#include "host.hpp"
#include "host_provider.hpp"
#include "options.hpp"

#include <sandboxkit/credential_sources.hpp>
#include <sandboxkit/object_reader.hpp>
#include <sandboxkit/profile_rules.hpp>
#include <sandboxkit/strict_json.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace sandboxkit::capi {

namespace {

// As in version 0.1.
constexpr std::size_t first_engine_options = offsetof(sbk_engine_options, answer_timeout_ms) + sizeof(std::uint32_t);

struct OpenOptions {
    EngineOptions engine;
    std::shared_ptr<Host> host;
};

// ["mine", ...]: names as profiles have them, none twice.
std::vector<std::string> read_provider_names(std::string_view text, ProblemList& problems) {
    constexpr std::size_t longest_name = 64, most_names = 64;
    std::vector<std::string> names;
    ProblemList faults;
    const auto value = parse_collecting(text, JsonLimits{}, faults);
    const auto* array = value ? value->if_array() : nullptr;
    if (value && !array) ObjectReader::report_type(faults, "", "an array", *value);
    if (array && array->size() > most_names) faults.add("", "too_long", "there are more than 64 providers", "name fewer");
    for (std::size_t i = 0; array && i < array->size(); ++i) {
        const auto pointer = pointer_to("", i);
        auto name = ObjectReader::string_of((*array)[i], pointer, longest_name, faults);
        if (!name) continue;
        if (name->empty() || detail::has_control_character(*name))
            faults.add(pointer, "bad_value", "a name has 1 to 64 characters, and no control characters");
        if (std::find(names.begin(), names.end(), *name) != names.end())
            faults.add(pointer, "duplicate", "this name is there already");
        names.push_back(std::move(*name));
    }
    for (auto& fault : faults.take())
        problems.add("/providers" + fault.pointer, std::move(fault.code), std::move(fault.message), std::move(fault.remedy));
    return names;
}

std::shared_ptr<CredentialSource> read_sources(std::string_view document, std::uint32_t flags, ProblemList& problems) {
    if ((flags & SBK_ENGINE_ASKS_CREDENTIALS) != 0)
        problems.add("/credential_sources", "not_applicable",
                     "the host application is asked for credentials, and these are others",
                     "set one of credential_sources and SBK_ENGINE_ASKS_CREDENTIALS");
    auto sources = read_credential_sources(document);
    if (sources) return *sources;
    Error error = sources.error();
    for (auto& fault : error.problems)
        problems.add("/credential_sources" + fault.pointer, std::move(fault.code), std::move(fault.message),
                     std::move(fault.remedy));
    return nullptr;
}

Result<OpenOptions> read_engine_options(const sbk_engine_options* given, bool needs_store) {
    auto read = read_options(given, first_engine_options);
    if (!read) return read.error();
    const sbk_engine_options& o = *read;
    ProblemList problems;
    const auto path = [&](const char* pointer, const char* data, std::size_t size) {
        const auto value = optional_text(data, size).value_or(std::string_view());
        if (value.find('\0') != std::string_view::npos)
            problems.add(pointer, "bad_value", "a path has no NUL byte", "check its length");
        return std::filesystem::path(value);
    };
    OpenOptions options;
    options.engine.store = path("/store", o.store, o.store_size);
    if (needs_store && options.engine.store.empty())
        problems.add("/store", "required_field", "there is no path of the store", "set store and store_size");
    options.engine.state_directory = path("/state_directory", o.state_directory, o.state_directory_size);
    options.engine.guest = path("/guest", o.guest, o.guest_size);
    options.engine.runtime = path("/runtime", o.runtime, o.runtime_size).string();
    if (o.workers > 64) problems.add("/workers", "out_of_range", "expected 0 (the default) or 1 to 64", "use fewer threads");
    if (o.workers > 0) options.engine.workers = o.workers;
    constexpr std::uint32_t known =
        SBK_ENGINE_NO_JOBS | SBK_ENGINE_ASKS_REFERENCES | SBK_ENGINE_ASKS_CREDENTIALS | SBK_ENGINE_GIVES_CREDENTIALS_BACK;
    if ((o.flags & ~known) != 0)
        problems.add("/flags", "unknown_flag", "there is a flag that this version of the library does not know",
                     "use a newer library, or clear it");
    options.engine.run_snapshot_jobs = (o.flags & SBK_ENGINE_NO_JOBS) == 0;
    if (o.log_level > SBK_LOG_DEBUG) problems.add("/log_level", "out_of_range", "expected a sbk_log_level, 0 to 4", "");
    const bool asks = (o.flags & (SBK_ENGINE_ASKS_REFERENCES | SBK_ENGINE_ASKS_CREDENTIALS)) != 0;
    const auto provider_text = optional_text(o.providers, o.providers_size);
    const auto providers = provider_text ? read_provider_names(*provider_text, problems) : std::vector<std::string>();
    if (!o.host_queue) {
        if (asks || !providers.empty() || o.log_level != SBK_LOG_NOTHING)
            problems.add("/host_queue", "required_field", "there is no queue for requests and log lines",
                         "set host_queue, or neither log_level nor providers nor a flag that asks");
    } else {
        const std::chrono::milliseconds time(o.answer_timeout_ms == 0 ? 30'000 : o.answer_timeout_ms);
        const bool told_of_releases = (o.flags & SBK_ENGINE_GIVES_CREDENTIALS_BACK) != 0;
        options.host = std::make_shared<Host>(object(o.host_queue).queue, o.host_tag, time, told_of_releases);
    }
    if ((o.flags & SBK_ENGINE_GIVES_CREDENTIALS_BACK) != 0 && (o.flags & SBK_ENGINE_ASKS_CREDENTIALS) == 0)
        problems.add("/flags", "bad_value", "credentials are given back only to who is asked for them",
                     "set SBK_ENGINE_ASKS_CREDENTIALS, too");
    if (const auto sources = optional_text(o.credential_sources, o.credential_sources_size))
        options.engine.credentials = read_sources(*sources, o.flags, problems);
    if (!problems.empty()) return document_error("bad_options", "the engine's options", problems.take());
    if ((o.flags & SBK_ENGINE_ASKS_REFERENCES) != 0) options.engine.references = options.host;
    if ((o.flags & SBK_ENGINE_ASKS_CREDENTIALS) != 0) options.engine.credentials = options.host;
    for (const auto& name : providers) options.engine.providers.push_back(std::make_shared<HostProvider>(options.host, name));
    if (o.log_level != SBK_LOG_NOTHING)
        // The engine's levels count up to the gravest, those of the header down.
        options.engine.log = [host = options.host,
                              least = static_cast<LogLevel>(SBK_LOG_DEBUG - o.log_level)](const LogLine& line) {
            if (line.level >= least) host->log(line);
        };
    return options;
}

// Which of the two comes first: the end of the opening, or its cancelling. Then the host is asked nothing more, which would be
// waited for, and the engine is closed again.
class OpeningEnd {
public:
    explicit OpeningEnd(std::shared_ptr<Host> host) : host_(std::move(host)) {}
    bool opened() noexcept { return !ended_.exchange(true); }
    void cancel() noexcept {
        if (!ended_.exchange(true) && host_) host_->close();
    }

private:
    const std::shared_ptr<Host> host_;
    std::atomic<bool> ended_ = false;
};

// The engine is opened on a thread of the queue: it has none of its own yet.
void open(Pending& pending, OpenOptions options) {
    const auto host = options.host;
    const auto store = options.engine.store;
    const auto end = std::make_shared<OpeningEnd>(host);
    pending.on_cancel([end] { end->cancel(); });
    auto engine = Engine::open(std::move(options.engine));
    if (!engine) {
        pending.fail(pending.cancel_asked() ? cancelled_error() : engine.error());
        return;
    }
    auto handle = std::make_shared<EngineHandle>(std::move(*engine), host);
    if (!end->opened()) {
        handle->close_now();
        pending.fail(cancelled_error);
        return;
    }
    pending.complete([&](sbk_event& event) {
        event.set_json(boost::json::object{{"store", std::filesystem::absolute(store).string()}});
        event.engine = std::move(handle);
    });
}

// `work(Pending&, OpenOptions)`, on a thread of the queue.
template <class Work>
sbk_status submit_with_options(sbk_operation** place, sbk_queue* given, std::uint64_t tag, const sbk_engine_options* from,
                               bool needs_store, Work work) {
    const auto queue = object(given).queue;
    auto options = read_engine_options(from, needs_store);
    return submit_to(place, queue, tag, [&](const std::shared_ptr<Pending>& pending) {
        if (!options) {
            pending->fail(options.error());
            return;
        }
        queue->run([pending, work, options = std::move(*options)]() mutable noexcept {
            answer_if_thrown(*pending, [&] { work(*pending, std::move(options)); });
        });
    });
}

} // namespace

} // namespace sandboxkit::capi

namespace capi = sandboxkit::capi;

sbk_status sbk_doctor(sbk_operation** operation, sbk_queue* queue, uint64_t tag, const sbk_engine_options* options) {
    return capi::guarded(__func__, operation, [&] {
        return capi::submit_with_options(
            operation, queue, tag, options, false, [](capi::Pending& pending, capi::OpenOptions given) {
                capi::complete(
                    pending, sandboxkit::Result<std::vector<sandboxkit::DoctorCheck>>(sandboxkit::Engine::doctor(given.engine)));
            });
    });
}

sbk_status sbk_engine_open(sbk_operation** operation, sbk_queue* queue, uint64_t tag, const sbk_engine_options* options) {
    return capi::guarded(__func__, operation,
                         [&] { return capi::submit_with_options(operation, queue, tag, options, true, capi::open); });
}

sbk_status sbk_engine_ping(sbk_operation** operation, sbk_queue* queue, uint64_t tag, sbk_engine* engine) {
    return capi::guarded(__func__, operation, [&] {
        auto& handle = *capi::object(engine).handle;
        return capi::submit_to(operation, capi::object(queue).queue, tag, [&](const auto& pending) {
            handle.post([pending](sandboxkit::Engine* open) {
                if (!open)
                    pending->fail(capi::engine_closed);
                else if (pending->cancel_asked())
                    pending->fail(capi::cancelled_error);
                else
                    pending->complete([](sbk_event&) {});
            });
        });
    });
}

sbk_status sbk_engine_close(sbk_operation** operation, sbk_queue* queue, uint64_t tag, sbk_engine* engine) {
    return capi::guarded(__func__, operation, [&] {
        auto& handle = *capi::object(engine).handle;
        return capi::submit_to(operation, capi::object(queue).queue, tag,
                               [&](const auto& pending) { handle.close([pending] { pending->complete([](sbk_event&) {}); }); });
    });
}

void sbk_engine_free(sbk_engine* engine) {
    capi::release(__func__, engine);
}

sbk_status sbk_engine_reconcile(sbk_operation** operation, sbk_client* client, uint64_t tag) {
    return capi::guarded(__func__, operation, [&] {
        return capi::submit(operation, client, tag,
                            [](sandboxkit::Engine& engine, const sandboxkit::Principal& who) { return engine.reconcile(who); });
    });
}
