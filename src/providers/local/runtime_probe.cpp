// SPDX-License-Identifier: Apache-2.0
#include "providers/local/runtime_probe.hpp"

#include "providers/local/process_identity.hpp"
#include "providers/local/program_path.hpp"
#include "providers/local/tree_walk.hpp"

#include <sandboxkit/digest.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <utility>

#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sandboxkit::local {
namespace fs = std::filesystem;
namespace json = boost::json;
namespace {

constexpr std::chrono::seconds version_limit{10};
constexpr const char* trial_swept = "trial_swept";
constexpr Limits trial_limits{0.5, 64ULL << 20, 64, {}};

int count(const CgroupControls& controls) {
    return int{controls.cpu} + int{controls.memory} + int{controls.processes};
}

bool enforces_all(const CgroupControls& in_force, const CgroupControls& available) {
    return in_force.cpu == available.cpu && in_force.memory == available.memory && in_force.processes == available.processes;
}

Result<std::string> version_of(const fs::path& program) {
    auto ran = run_program({program.string(), "--version"}, version_limit);
    if (!ran) return ran.error();
    if (ran->status.known && !ran->status.success())
        return Error{ErrorClass::unsupported, "runtime_does_not_run", program.string() + " does not run", "", ran->output, {}};
    return ran->output.substr(0, ran->output.find('\n'));
}

// A trial sandbox: a directory in the cache that goes away with it, whatever happened.
class Trial {
public:
    Trial(const ProbeRequest& request, const Runtime& runtime)
        : request_(request), runtime_(runtime), name_("trial-" + random_name(8)), path_(request.state->cache() / name_),
          runtime_root_(request.state->runtime(runtime.name)) {}
    Trial(const Trial&) = delete;
    Trial& operator=(const Trial&) = delete;
    ~Trial() {
        static_cast<void>(delete_container(runtime_, runtime_root_, name_));
        request_.cgroups->remove(group(), std::chrono::seconds(5));
        if (auto cache = open_directory(request_.state->cache())) static_cast<void>(remove_tree_at(cache->get(), name_));
    }

    Result<CgroupControls> run() {
        if (::mkdir(path_.c_str(), 0700) != 0 || ::mkdir((path_ / "rootfs").c_str(), 0755) != 0)
            return system_error(errno, "cannot make a trial sandbox");
        auto directory = open_directory(path_);
        if (!directory) return directory.error();
        // Until it was locked, another process could take it for a left-over.
        if (::flock(directory->get(), LOCK_EX | LOCK_NB) != 0 || ::access(path_.c_str(), F_OK) != 0)
            return Error{ErrorClass::unavailable, trial_swept, "the trial sandbox was taken for a left-over", "", "", {}};
        auto seccomp = request_.seccomp->open();
        if (!seccomp) return seccomp.error();
        ContainerPlan plan;
        plan.runtime = &runtime_;
        plan.runtime_root = runtime_root_;
        plan.id = name_;
        plan.path = path_;
        plan.directory = directory->get();
        plan.seccomp = seccomp->get();
        plan.bundle.hostname = "trial";
        plan.bundle.guest = request_.guest.string();
        plan.bundle.cgroup_path = "/" + group();
        plan.bundle.limits = trial_limits;
        plan.bundle.controls = runtime_.controls;
        auto started = start_container(plan);
        if (!started) return started.error();
        const CgroupControls in_force = request_.cgroups->in_force(started->process.pid, trial_limits);
        end_process(started->pidfd);
        return in_force;
    }

private:
    [[nodiscard]] std::string group() const { return request_.state->group_prefix() + name_; }

    const ProbeRequest& request_;
    const Runtime& runtime_;
    std::string name_;
    fs::path path_;
    fs::path runtime_root_;
};

// From the strongest form to the weakest; the first that works is taken.
std::vector<Runtime> forms_of(const Runtime& runtime, const CgroupControls& available) {
    std::vector<Runtime> forms;
    Runtime form = runtime;
    form.controls = available;
    forms.push_back(form);
    if (available.devices) { // crun without CAP_SYS_RESOURCE; no sandbox can make or open a device node anyway
        form.controls.devices = false;
        forms.push_back(form);
    }
    if (available.swap) {
        form.controls.swap = false;
        forms.push_back(form);
    }
    form.controls = {};
    forms.push_back(form);
    if (runtime.name == "crun") {
        form.without_cgroups = true;
        forms.push_back(form);
    }
    return forms;
}

ProbeResult probe(const ProbeRequest& request, Runtime runtime) {
    ProbeResult result;
    result.runtime = runtime;
    auto version = version_of(runtime.program);
    if (!version) {
        result.failure = version.error();
        return result;
    }
    runtime.version = *version;
    for (const Runtime& form : forms_of(runtime, request.cgroups->available())) {
        result.runtime = form;
        auto in_force = Trial(request, form).run();
        for (int again = 0; again < 3 && !in_force && in_force.error().code == trial_swept; ++again)
            in_force = Trial(request, form).run();
        if (in_force) {
            result.works = true;
            result.in_force = *in_force;
            return result;
        }
        // The first failure is that of the strongest form: it says what is in the way.
        if (result.failure.message.empty()) result.failure = in_force.error();
        // A guest that does not run will not run in a weaker form either.
        if (in_force.error().code == "guest_died" || in_force.error().code == "guest_not_ready") return result;
    }
    return result;
}

json::object to_json(const CgroupControls& controls) {
    return {{"cpu", controls.cpu},
            {"memory", controls.memory},
            {"swap", controls.swap},
            {"processes", controls.processes},
            {"devices", controls.devices}};
}

CgroupControls controls_from(const json::value& value) {
    const auto& object = value.as_object();
    return {object.at("cpu").as_bool(), object.at("memory").as_bool(), object.at("swap").as_bool(),
            object.at("processes").as_bool(), object.at("devices").as_bool()};
}

json::object to_json(const ProbeResult& result) {
    return {{"name", result.runtime.name},
            {"program", result.runtime.program.string()},
            {"version", result.runtime.version},
            {"controls", to_json(result.runtime.controls)},
            {"without_cgroups", result.runtime.without_cgroups},
            {"works", result.works},
            {"in_force", to_json(result.in_force)},
            {"message", result.failure.message},
            {"detail", result.failure.detail}};
}

ProbeResult result_from(const json::value& value) {
    const auto& object = value.as_object();
    ProbeResult result;
    result.runtime.name = object.at("name").as_string();
    result.runtime.program = std::string(object.at("program").as_string());
    result.runtime.version = object.at("version").as_string();
    result.runtime.controls = controls_from(object.at("controls"));
    result.runtime.without_cgroups = object.at("without_cgroups").as_bool();
    result.works = object.at("works").as_bool();
    result.in_force = controls_from(object.at("in_force"));
    result.failure.message = object.at("message").as_string();
    result.failure.detail = object.at("detail").as_string();
    return result;
}

// Invalid UTF-8 from a program's output would make JSON that cannot be read back.
void make_plain(std::string& text) {
    std::ranges::replace_if(
        text, [](char c) { return static_cast<unsigned char>(c) >= 0x80; }, '?');
}

std::string file_key(const fs::path& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return path.string() + ":none";
    return path.string() + ":" + std::to_string(status.st_size) + ":" + std::to_string(status.st_mtim.tv_sec) + "." +
           std::to_string(status.st_mtim.tv_nsec) + ":" + std::to_string(status.st_ino);
}

class Verdicts {
public:
    Verdicts(const ProbeRequest& request, const std::vector<Runtime>& candidates) {
        std::string key = "format 1;" + kernel_boot_id() + ";" + request.cgroups->fingerprint() + ";" + file_key(request.guest) +
                          ";" + seccomp_filter_key();
        for (const auto& each : candidates) key += ";" + file_key(each.program);
        path_ = request.state->cache() / ("runtime-" + sha256_hex(key).substr(0, 32));
    }

    [[nodiscard]] std::vector<ProbeResult> read() const {
        std::ifstream file(path_);
        const std::string text{std::istreambuf_iterator<char>(file), {}};
        std::vector<ProbeResult> results;
        try {
            const json::value value = json::parse(text);
            for (const auto& each : value.as_array()) results.push_back(result_from(each));
        } catch (const std::exception&) {
            return {}; // absent or damaged: tried again
        }
        return results;
    }

    void write(std::vector<ProbeResult> results) const {
        json::array list;
        for (auto& each : results) {
            make_plain(each.failure.detail);
            make_plain(each.failure.message);
            make_plain(each.runtime.version);
            list.push_back(to_json(each));
        }
        const fs::path fresh = path_.string() + "." + std::to_string(::getpid()) + random_name(4);
        std::ofstream file(fresh, std::ios::trunc);
        file << json::serialize(list);
        file.close();
        std::error_code ignored; // without the cache the next start only takes longer
        if (file) fs::rename(fresh, path_, ignored);
    }

private:
    fs::path path_;
};

Result<std::vector<Runtime>> candidates(const std::string& wanted) {
    std::vector<Runtime> result;
    if (!wanted.empty()) {
        const fs::path program = find_program(wanted);
        if (program.empty())
            return Error{ErrorClass::unsupported,
                         "runtime_not_found",
                         "the OCI runtime " + shown(wanted) + " is not installed",
                         "install it, or let sandboxkit choose",
                         "",
                         {}};
        result.push_back({program.filename().string(), program, "", {}, false});
        return result;
    }
    for (const char* name : {"crun", "runc"})
        if (const fs::path program = find_program(name); !program.empty()) result.push_back({name, program, "", {}, false});
    if (result.empty())
        return Error{ErrorClass::unsupported,
                     "no_runtime",
                     "no OCI runtime is installed",
                     "install runc or crun (apt-get install runc)",
                     "",
                     {}};
    return result;
}

} // namespace

Result<RuntimeChoice> choose_runtime(const ProbeRequest& request) {
    auto possible = candidates(request.wanted);
    if (!possible) return possible.error();
    const Verdicts verdicts(request, *possible);
    RuntimeChoice choice;
    choice.tried = verdicts.read();
    if (choice.tried.empty()) {
        for (const auto& runtime : *possible) {
            choice.tried.push_back(probe(request, runtime));
            const ProbeResult& last = choice.tried.back();
            if (last.works && enforces_all(last.in_force, request.cgroups->available())) break;
        }
        // A failure may pass: only what was found to work is kept.
        if (std::ranges::any_of(choice.tried, &ProbeResult::works)) verdicts.write(choice.tried);
    }
    const auto better = [](const ProbeResult& a, const ProbeResult& b) {
        return std::pair(a.works, count(a.in_force)) < std::pair(b.works, count(b.in_force));
    };
    choice.chosen = *std::ranges::max_element(choice.tried, better); // the first of equals
    if (!choice.chosen.works) {
        Error error = choice.tried.back().failure;
        error.kind = ErrorClass::unsupported;
        error.code = "runtime_does_not_run";
        error.message = "the OCI runtime " + choice.tried.back().runtime.name + " does not run a sandbox here: " + error.message;
        return error;
    }
    return choice;
}

} // namespace sandboxkit::local
