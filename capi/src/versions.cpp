// SPDX-License-Identifier: Apache-2.0
// Versions, their snapshots, and the jobs that build those.
#include "client.hpp"

#include <sandboxkit/plan_diff.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace capi = sandboxkit::capi;
using capi::guarded;
using capi::submit;
using capi::text;
using capi::text_or_empty;
using sandboxkit::Engine;
using sandboxkit::Principal;

namespace {

// How many events of progress were not freed yet: a host that does not look does not get more and more of them.
class Told final : public capi::Allowance {
public:
    bool take() noexcept {
        if (count_.fetch_add(1) < most) return true;
        count_.fetch_sub(1);
        return false;
    }
    void give_back(std::size_t amount) noexcept override { count_ -= amount; }

private:
    static constexpr std::size_t most = 1000;
    std::atomic<std::size_t> count_ = 0;
};

} // namespace

sbk_status sbk_version_publish(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* profile,
                               size_t profile_size) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [profile = std::string(text(profile, profile_size))](Engine& engine, const Principal& who) {
                          return engine.publish(who, profile);
                      });
    });
}

sbk_status sbk_version_get(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* profile, size_t profile_size,
                           uint32_t version) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [profile = std::string(text(profile, profile_size)), version](Engine& engine, const Principal& who) {
                          return engine.version(who, profile, version);
                      });
    });
}

sbk_status sbk_version_list(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* profile,
                            size_t profile_size) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [profile = std::string(text(profile, profile_size))](Engine& engine, const Principal& who) {
                          return engine.versions(who, profile);
                      });
    });
}

sbk_status sbk_version_diff(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* profile, size_t profile_size,
                            uint32_t before, uint32_t after) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [profile = std::string(text(profile, profile_size)), before,
                       after](Engine& engine, const Principal& who) -> sandboxkit::Result<std::vector<sandboxkit::FieldChange>> {
                          const auto first = engine.version(who, profile, before);
                          if (!first) return first.error();
                          const auto second = engine.version(who, profile, after);
                          if (!second) return second.error();
                          return sandboxkit::diff(first->recipe, second->recipe);
                      });
    });
}

sbk_status sbk_version_export(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* profile,
                              size_t profile_size, uint32_t version) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [profile = std::string(text(profile, profile_size)), version](Engine& engine, const Principal& who) {
                          return engine.export_version(who, profile, version);
                      });
    });
}

sbk_status sbk_version_import(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* file, size_t file_size,
                              const char* name, size_t name_size) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [file = std::string(text(file, file_size)), name = text_or_empty(name, name_size)](
                          Engine& engine, const Principal& who) { return engine.import_version(who, file, name); });
    });
}

sbk_status sbk_snapshot_refresh(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* profile,
                                size_t profile_size, uint32_t version) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [profile = std::string(text(profile, profile_size)), version](Engine& engine, const Principal& who) {
                          return engine.refresh_snapshot(who, profile, version);
                      });
    });
}

sbk_status sbk_job_get(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* job, size_t job_size) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag, [job = std::string(text(job, job_size))](Engine& engine, const Principal& who) {
            return engine.job(who, job);
        });
    });
}

sbk_status sbk_job_list(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* profile, size_t profile_size) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag,
                      [profile = std::string(text(profile, profile_size))](Engine& engine, const Principal& who) {
                          return engine.jobs(who, profile);
                      });
    });
}

sbk_status sbk_job_log(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* job, size_t job_size) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag, [job = std::string(text(job, job_size))](Engine& engine, const Principal& who) {
            return engine.job_log(who, job);
        });
    });
}

sbk_status sbk_job_cancel(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* job, size_t job_size) {
    return guarded(__func__, operation, [&] {
        return submit(operation, client, tag, [job = std::string(text(job, job_size))](Engine& engine, const Principal& who) {
            return engine.cancel_job(who, job);
        });
    });
}

sbk_status sbk_job_wait(sbk_operation** operation, sbk_client* client, uint64_t tag, const char* job, size_t job_size) {
    return guarded(__func__, operation, [&] {
        const sbk_client& who = capi::object(client);
        return capi::submit_to(operation, who.queue, tag, [&](const std::shared_ptr<capi::Pending>& pending) {
            auto told = std::make_shared<Told>();
            auto tell = [pending, told](const sandboxkit::Progress& progress) noexcept {
                if (!told->take()) return; // the job's log has it all
                capi::answer_if_thrown(*pending, [&] {
                    auto event = pending->make_event(SBK_EVENT_PROGRESS);
                    event->set_json(sandboxkit::to_json(progress));
                    event->bytes = progress.output;
                    event->charge(told, 1);
                    pending->push(std::move(event));
                });
            };
            capi::follow_in_engine(
                pending, who,
                [&](Engine& engine, const Principal& principal) {
                    return engine.wait_for_job(principal, text(job, job_size), std::move(tell));
                },
                [pending](auto result) { capi::complete(*pending, std::move(result)); });
        });
    });
}
