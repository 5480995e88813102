// SPDX-License-Identifier: Apache-2.0
// Chooses the cases, runs one after the other, and clears up after each.
#include "conformance/bench.hpp"
#include "conformance/case.hpp"

#include <sandboxkit/clock.hpp>
#include <sandboxkit/conformance.hpp>

#include <algorithm>
#include <exception>
#include <thread>
#include <utility>

namespace sandboxkit {
namespace {

using namespace conformance;

const std::vector<Group>& groups() {
    static const std::vector<Group> all{
        lifecycle_cases(),       idempotency_cases(),  exec_cases(),        files_cases(),        limits_cases(),
        network_cases(),         isolation_cases(),    images_cases(),      capture_cases(),      volumes_cases(),
        read_only_paths_cases(), cancellation_cases(), concurrency_cases(), interruption_cases(), clean_cases()};
    return all;
}

std::string full_name(std::string_view group, std::string_view name) {
    return std::string(group) + "/" + std::string(name);
}

bool is_chosen(const std::vector<std::string>& only, std::string_view group, std::string_view name) {
    return only.empty() || std::ranges::find(only, group) != only.end() ||
           std::ranges::find(only, full_name(group, name)) != only.end();
}

Result<void> check_options(const std::shared_ptr<Provider>& provider, const ConformanceOptions& options) {
    const auto invalid = [](const char* message) {
        return Error{ErrorClass::invalid, "conformance_options", message, "", "", {}};
    };
    if (!provider) return invalid("there is no provider");
    if (options.image.empty()) return invalid("there is no image");
    if (static_cast<bool>(options.interrupt) != static_cast<bool>(options.restore))
        return invalid("interrupt and restore go together");
    std::error_code error;
    if (!std::filesystem::is_directory(options.scratch, error) || !std::filesystem::is_empty(options.scratch, error))
        return invalid("the scratch directory is not an empty directory");
    for (const auto& each : options.only) {
        bool found = false;
        for (const auto& group : groups())
            for (const auto& item : group.cases) found = found || group.name == each || full_name(group.name, item.name) == each;
        if (!found)
            return Error{
                ErrorClass::not_found, "conformance_case_not_found", "there is no group and no case " + each, "", "", {}};
    }
    return {};
}

std::string joined(const std::vector<std::string>& lines) {
    std::string text;
    for (const auto& each : lines) text += (text.empty() ? "" : "\n") + each;
    return text;
}

void run_case(Run& run, const Case& item, ConformanceResult& result) {
    for (const auto& need : item.needs)
        if (run.can.*need.capability != need.present) {
            result.verdict = ConformanceVerdict::not_applicable;
            result.message =
                std::string(need.present ? "the provider does not claim " : "the provider claims ") + std::string(need.name);
            return;
        }
    Bench bench(run, full_name(result.group, result.name));
    result.verdict = ConformanceVerdict::passed;
    std::vector<std::string> failures;
    try {
        item.run(bench);
    } catch (const CaseOver& over) {
        result.verdict = over.verdict;
        result.message = over.message;
    } catch (const SuiteCancelled&) { // nobody asks for its verdict
    } catch (const std::exception& e) {
        failures.push_back(std::string("the case threw: ") + e.what());
    }
    failures.insert(failures.begin(), bench.failures().begin(), bench.failures().end());
    run.waiting.shield(true);
    std::ranges::move(bench.clear_up(), std::back_inserter(failures));
    run.waiting.shield(false);
    if (failures.empty()) return;
    result.verdict = ConformanceVerdict::failed;
    result.message = joined(failures);
}

Result<std::vector<ConformanceResult>> run_all(Run& run) {
    auto can = run.waiting.wait(run.provider->capabilities());
    if (!can) return can.error();
    run.can = *can;
    std::vector<ConformanceResult> results;
    for (const auto& group : groups())
        for (const auto& item : group.cases) {
            if (!is_chosen(run.options.only, group.name, item.name) || run.waiting.cancelled()) continue;
            ConformanceResult result{std::string(group.name), std::string(item.name), {}, {}, {}};
            const auto begin = std::chrono::steady_clock::now();
            run_case(run, item, result);
            result.taken = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
            if (run.waiting.cancelled()) break; // its verdict means nothing
            if (run.options.on_result) run.options.on_result(result);
            results.push_back(std::move(result));
        }
    return results;
}

} // namespace

std::vector<ConformanceCase> conformance_cases() {
    std::vector<ConformanceCase> all;
    for (const auto& group : groups())
        for (const auto& item : group.cases)
            all.push_back({std::string(group.name), std::string(item.name), std::string(item.about)});
    return all;
}

Operation<std::vector<ConformanceResult>> check_provider(std::shared_ptr<Provider> provider, ConformanceOptions options) {
    using Results = std::vector<ConformanceResult>;
    auto state = std::make_shared<detail::OperationState<Results>>();
    if (auto right = check_options(provider, options); !right) {
        state->complete(right.error());
        return Operation<Results>(state);
    }
    auto run = std::make_shared<Run>(std::move(provider), std::move(options));
    run->id = IdSource().next("run");
    state->set_cancel([weak = std::weak_ptr(run)] {
        if (auto running = weak.lock()) running->waiting.cancel();
    });
    std::thread([run = std::move(run), state]() mutable {
        Result<Results> results = Error{ErrorClass::cancelled, "cancelled", "the operation was cancelled", "", "", {}};
        try {
            auto came = run_all(*run);
            const bool cancelled = run->waiting.cancelled();
            run->waiting.shield(true);
            if (!run->image.empty()) (void)run->waiting.wait(run->provider->remove_image(run->image));
            if (!cancelled) results = std::move(came);
        } catch (const SuiteCancelled&) { // before the first case
        } catch (const std::exception& e) {
            results = Error{ErrorClass::internal, "exception", "an unexpected exception in the suite", "", e.what(), {}};
        }
        run.reset(); // the provider may be gone when the operation is over
        state->complete(std::move(results));
    }).detach();
    return Operation<Results>(state);
}

} // namespace sandboxkit
