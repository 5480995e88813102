// SPDX-License-Identifier: Apache-2.0
#include "cli/building.hpp"

#include "cli/progress.hpp"

#include <unistd.h>

namespace sandboxkit::cli {

Result<JobInfo> wait_for_snapshot(const Settings& settings, Engine& engine, const std::string& job) {
    auto display = std::make_shared<ProgressDisplay>();
    auto handler = [display, show = display->handler()](const Progress& progress) { show(progress); };
    auto ended = wait(settings, engine.wait_for_job(settings.who(), job, std::move(handler)));
    const bool output_shown = display->output_shown();
    display.reset();
    if (!ended) {
        Error error = ended.error();
        if (error.kind == ErrorClass::cancelled)
            error.remedy = "the snapshot is not finished: 'snapshot status --wait' goes on with it, 'snapshot cancel " + job +
                           "' gives it up";
        return error;
    }
    switch (ended->state) {
    case JobState::succeeded: return ended;
    case JobState::cancelled:
        return Error{ErrorClass::cancelled, "job_cancelled", "the snapshot job " + job + " was cancelled", "", "", {}};
    default: break;
    }
    Error error = ended->error.value_or(Error{ErrorClass::internal, "job_failed", "the snapshot could not be made", "", "", {}});
    error.message = "the snapshot failed in the phase '" + std::string(to_string(ended->phase)) + "': " + error.message;
    if (output_shown && !settings.json && ended->phase == BuildPhase::setup_script) error.detail.clear(); // it is its end
    if (const auto log = engine.job_log(settings.who(), job); log && !log->empty())
        error.remedy += (error.remedy.empty() ? "its output: " : "; its output: ") + ("sandboxkit snapshot logs " + job);
    return error;
}

} // namespace sandboxkit::cli
