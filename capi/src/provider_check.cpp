// SPDX-License-Identifier: Apache-2.0
// The conformance suite, run against a provider of an engine.
#include "client.hpp"

#include <sandboxkit/conformance.hpp>
#include <sandboxkit/object_reader.hpp>
#include <sandboxkit/strict_json.hpp>

#include <boost/json/array.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace sandboxkit::capi {

namespace json = boost::json;

namespace {

using Results = std::vector<ConformanceResult>;

Result<ConformanceOptions> read_check_options(std::string_view text) {
    constexpr std::size_t longest_text = 4096;
    constexpr std::uint64_t longest_patience = 24ULL * 60 * 60 * 1000; // milliseconds: a day
    ProblemList problems;
    ConformanceOptions options;
    if (const auto value = parse_collecting(text, JsonLimits{}, problems)) {
        ObjectReader reader(*value, "", problems);
        reader.require("image");
        options.image = reader.string("image", longest_text).value_or("");
        reader.require("scratch");
        options.scratch = reader.string("scratch", longest_text).value_or("");
        options.probe = reader.string("probe", longest_text).value_or("");
        if (const auto* only = reader.array("only"))
            for (std::size_t i = 0; i < only->size(); ++i)
                options.only.push_back(
                    ObjectReader::string_of((*only)[i], pointer_to("/only", i), longest_text, problems).value_or(""));
        if (const auto patience = reader.integer("patience_ms", 1, longest_patience))
            options.patience = std::chrono::milliseconds(*patience);
        reader.finish();
    }
    if (!problems.empty()) return document_error("bad_options", "the options of the check", problems.take());
    return options;
}

json::array to_json(const Results& results) {
    json::array all;
    for (const auto& result : results) {
        std::string verdict(to_string(result.verdict));
        std::replace(verdict.begin(), verdict.end(), ' ', '_');
        all.push_back({{"group", result.group},
                       {"name", result.name},
                       {"verdict", verdict},
                       {"message", result.message},
                       {"taken_ms", result.taken.count()}});
    }
    return all;
}

// A run that the closing of the engine ends first: a provider of the engine's own works on its threads.
class Check final : public Loop {
public:
    explicit Check(std::shared_ptr<Pending> pending) : pending_(std::move(pending)) {}
    void stop() override {
        pending_->cancel();
        wait_for_end();
    }
    void wait_for_end() noexcept override { ended_.wait(false); }
    void end() noexcept {
        ended_ = true;
        ended_.notify_all();
    }

private:
    const std::shared_ptr<Pending> pending_;
    std::atomic<bool> ended_ = false;
};

// With the engine held open: who closes it finds the run begun, and can cancel it.
void begin(const std::shared_ptr<Pending>& pending, const sbk_client& client, Engine& engine, std::string_view name,
           ConformanceOptions options) {
    auto provider = engine.provider(client.who, std::string(name)).get();
    if (!provider) {
        pending->fail(provider.error());
        return;
    }
    const auto running = std::make_shared<Check>(pending);
    if (!client.engine->keep(running)) {
        pending->fail(engine_closed);
        return;
    }
    try {
        follow_operation(
            pending, [&] { return check_provider(std::move(*provider), std::move(options)); },
            [pending, running](Result<Results> results) {
                pending->complete([&](sbk_event& event) {
                    if (results)
                        event.set_json(to_json(*results));
                    else
                        write_error(event, results.error());
                });
                running->end();
            });
    } catch (...) {
        running->end();
        throw;
    }
}

void check(const std::shared_ptr<Pending>& pending, const sbk_client& client, std::string_view name, ConformanceOptions options) {
    if (!client.engine->with_engine([&](Engine& engine) { begin(pending, client, engine, name, std::move(options)); }))
        pending->fail(engine_closed);
}

} // namespace

} // namespace sandboxkit::capi

namespace capi = sandboxkit::capi;

sbk_status sbk_engine_check_provider(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* provider,
                                     size_t provider_size, const char* options, size_t options_size) {
    return capi::guarded(__func__, operation, [&] {
        const sbk_client& asking = capi::object(client);
        const auto name = capi::text(provider, provider_size);
        auto read = capi::read_check_options(capi::text(options, options_size));
        return capi::submit_to(operation, asking.queue, tag, [&](const auto& pending) {
            if (read)
                capi::check(pending, asking, name, std::move(*read));
            else
                pending->fail(read.error());
        });
    });
}
