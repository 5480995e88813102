// SPDX-License-Identifier: Apache-2.0
// A provider that makes nothing and keeps its records in memory, so that tests of the engine need no privileges. Each call
// can be held and be made to fail. Several engines may share one.
#pragma once

#include "engine/engine_fixture.hpp"
#include "engine/gate.hpp"
#include "engine/guest_process.hpp"

#include <sandboxkit/provider.hpp>

#include <algorithm>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace sandboxkit::test {

class MemoryProvider final : public Provider {
public:
    // The in-sandbox API of every sandbox is at `socket`; empty: each has a guest process of its own while it runs.
    explicit MemoryProvider(std::filesystem::path socket = {}) : socket_(std::move(socket)) {
        can.image_kinds = {"host"};
        can.egress_none = can.egress_open = can.capture = can.stop_and_resume = can.read_only_paths = true;
    }
    Capabilities can;
    std::function<std::filesystem::path(const std::filesystem::path& guest)> route; // where to reach a guest; empty: there

    std::string registry; // that wants a credential for each image; empty: none is wanted

    // A call is named as "destroy", or with what it is about, "destroy sandbox-ses_1". The next one waits at the gate before
    // it does anything; a list, with what it found.
    std::shared_ptr<Gate> hold(const std::string& call) {
        std::lock_guard lock(mutex_);
        auto gate = std::make_shared<Gate>();
        gates_.emplace(call, gate);
        return gate;
    }
    // Every such call fails from now on, until `mend`.
    void fail(const std::string& call, ErrorClass kind = ErrorClass::unavailable, const std::string& detail = {}) {
        std::lock_guard lock(mutex_);
        failures_.insert_or_assign(call, Error{kind, "scripted", call + " fails", "", detail, {}});
    }
    void mend(const std::string& call) {
        std::lock_guard lock(mutex_);
        failures_.erase(call);
    }

    std::set<std::string> sandboxes() {
        std::lock_guard lock(mutex_);
        std::set<std::string> ids;
        for (const auto& [id, sandbox] : sandboxes_) ids.insert(id);
        return ids;
    }
    std::set<std::string> images() {
        std::lock_guard lock(mutex_);
        std::set<std::string> ids;
        for (const auto& [id, image] : images_) ids.insert(id);
        return ids;
    }
    std::vector<ImageRequest> prepared() {
        std::lock_guard lock(mutex_);
        return prepared_;
    }
    int created() {
        std::lock_guard lock(mutex_);
        return created_;
    }
    void set_stale(const std::string& image, bool stale) {
        std::lock_guard lock(mutex_);
        images_.at(image).stale = stale;
    }
    // What happens to a sandbox by itself.
    void end(const std::string& id) {
        std::lock_guard lock(mutex_);
        sandboxes_.at(id).guest.reset();
        sandboxes_.at(id).info.state = SandboxState::ended;
    }
    void lose(const std::string& id) {
        std::lock_guard lock(mutex_);
        sandboxes_.erase(id);
    }
    // As a dead engine leaves them.
    void add_sandbox(const std::string& id, std::map<std::string, std::string> labels) {
        std::lock_guard lock(mutex_);
        sandboxes_[id].info = {id, id, SandboxState::created, std::move(labels), {}};
    }
    void add_image(const std::string& id, std::map<std::string, std::string> labels) {
        std::lock_guard lock(mutex_);
        images_[id] = {id, std::move(labels), {}, false};
    }

    std::string name() const override { return "memory"; }
    Task<Capabilities> capabilities() override {
        auto entered = co_await enter("capabilities", "");
        if (!entered) co_return entered.error();
        std::lock_guard lock(mutex_);
        co_return can;
    }
    // Another daemon answers from now on.
    void replace(std::string identity) {
        std::lock_guard lock(mutex_);
        can.identity = std::move(identity);
        images_.clear();
        sandboxes_.clear();
    }
    Task<ImageInfo> prepare_image(ImageRequest request) override {
        {
            std::lock_guard lock(mutex_);
            prepared_.push_back(request);
        }
        if (!registry.empty()) {
            auto asked = std::async(std::launch::async, [&] { return request.credential(registry); });
            if (auto given = asked.get(); !given) co_return given.error();
        }
        auto entered = co_await enter("prepare_image", "");
        if (!entered) co_return entered.error();
        co_return new_image(std::move(request.labels));
    }
    Task<ImageInfo> inspect_image(std::string id) override {
        std::lock_guard lock(mutex_);
        co_return images_[id];
    }
    Task<std::vector<ImageInfo>> list_images() override {
        std::lock_guard lock(mutex_);
        std::vector<ImageInfo> all;
        for (const auto& [id, info] : images_) all.push_back(info);
        co_return all;
    }
    Task<void> remove_image(std::string id) override {
        auto entered = co_await enter("remove_image", id);
        if (!entered) co_return entered.error();
        std::lock_guard lock(mutex_);
        images_.erase(id);
        co_return Result<void>{};
    }
    Task<SandboxInfo> create(CreateRequest request) override {
        auto entered = co_await enter("create", request.token);
        if (!entered) co_return entered.error();
        std::lock_guard lock(mutex_);
        const std::string id = "sandbox-" + request.token;
        if (!sandboxes_.contains(id)) {
            ++created_;
            sandboxes_[id].info = {id, request.token, SandboxState::created, std::move(request.labels), {}};
        }
        co_return sandboxes_[id].info;
    }
    Task<void> start(std::string id) override {
        auto entered = co_await enter("start", id);
        if (!entered) co_return entered.error();
        std::lock_guard lock(mutex_);
        const auto found = sandboxes_.find(id);
        if (found == sandboxes_.end()) co_return not_found();
        if (socket_.empty() && !found->second.guest) found->second.guest = std::make_unique<GuestProcess>();
        found->second.info.state = SandboxState::running;
        co_return Result<void>{};
    }
    Task<void> stop(std::string id) override {
        auto entered = co_await enter("stop", id);
        if (!entered) co_return entered.error();
        std::lock_guard lock(mutex_);
        const auto found = sandboxes_.find(id);
        if (found == sandboxes_.end()) co_return not_found();
        found->second.guest.reset();
        found->second.info.state = SandboxState::created;
        co_return Result<void>{};
    }
    Task<void> destroy(std::string id) override {
        auto entered = co_await enter("destroy", id);
        if (!entered) co_return entered.error();
        std::lock_guard lock(mutex_);
        sandboxes_.erase(id);
        co_return Result<void>{};
    }
    Task<SandboxInfo> inspect(std::string id) override {
        std::lock_guard lock(mutex_);
        const auto found = sandboxes_.find(id);
        if (found == sandboxes_.end()) co_return not_found();
        co_return found->second.info;
    }
    Task<std::vector<SandboxInfo>> list(std::map<std::string, std::string> labels) override {
        auto found = with_labels(labels);
        auto entered = co_await enter("list", "");
        if (!entered) co_return entered.error();
        co_return found;
    }
    Task<Endpoint> endpoint(std::string id) override {
        std::lock_guard lock(mutex_);
        const auto found = sandboxes_.find(id);
        if (found == sandboxes_.end()) co_return not_found();
        Endpoint endpoint;
        endpoint.unix_socket = found->second.guest ? found->second.guest->socket() : socket_;
        if (route) endpoint.unix_socket = route(endpoint.unix_socket);
        co_return endpoint;
    }
    Task<CaptureResult> capture(std::string id, std::map<std::string, std::string> labels) override {
        auto entered = co_await enter("capture", id);
        if (!entered) co_return entered.error();
        co_return CaptureResult{new_image(std::move(labels)), {}, {}};
    }

private:
    struct Sandbox {
        SandboxInfo info;
        std::unique_ptr<GuestProcess> guest;
    };

    static Error not_found() { return {ErrorClass::not_found, "sandbox_not_found", "no such sandbox", "", "", {}}; }

    Task<void> enter(std::string call, std::string about) {
        if (auto gate = take_gate(call, about)) {
            auto passed = co_await gate->pass();
            if (!passed) co_return passed;
        }
        std::lock_guard lock(mutex_);
        for (const auto& name : {call, call + " " + about})
            if (const auto found = failures_.find(name); found != failures_.end()) co_return found->second;
        co_return Result<void>{};
    }
    std::shared_ptr<Gate> take_gate(const std::string& call, const std::string& about) {
        std::lock_guard lock(mutex_);
        for (const auto& name : {call, call + " " + about})
            if (const auto found = gates_.lower_bound(name); found != gates_.end() && found->first == name)
                return gates_.extract(found).mapped();
        return {};
    }
    ImageInfo new_image(std::map<std::string, std::string> labels) {
        std::lock_guard lock(mutex_);
        ImageInfo info{"image-" + std::to_string(++last_image_), std::move(labels), {}, false};
        images_[info.id] = info;
        return info;
    }
    std::vector<SandboxInfo> with_labels(const std::map<std::string, std::string>& labels) {
        std::lock_guard lock(mutex_);
        std::vector<SandboxInfo> all;
        for (const auto& [id, sandbox] : sandboxes_) {
            const auto& has = sandbox.info.labels;
            if (std::includes(has.begin(), has.end(), labels.begin(), labels.end())) all.push_back(sandbox.info);
        }
        return all;
    }

    std::filesystem::path socket_;
    std::mutex mutex_;
    std::multimap<std::string, std::shared_ptr<Gate>> gates_; // of one name, in the order they were asked for
    std::map<std::string, Error> failures_;
    int last_image_ = 0;
    int created_ = 0;
    std::vector<ImageRequest> prepared_;
    std::map<std::string, ImageInfo> images_;
    std::map<std::string, Sandbox> sandboxes_;
};

// An engine's options in `directory`, with this provider.
inline EngineOptions options_with(const std::filesystem::path& directory, std::shared_ptr<Provider> provider) {
    EngineOptions options;
    options.store = directory / "store.db";
    options.providers.push_back(std::move(provider));
    return options;
}

// A profile whose version 1 has a usable snapshot.
inline std::string ready_profile(Engine& engine) {
    auto profile = must(engine.create_profile(tester, document({{"provider", "memory"}})));
    REQUIRE(publish_and_build(engine, profile.id).state == JobState::succeeded);
    return profile.id;
}

inline StartOptions of(const std::string& profile, std::string token = {}) {
    StartOptions options;
    options.profile = profile;
    options.client_token = std::move(token);
    return options;
}

} // namespace sandboxkit::test
