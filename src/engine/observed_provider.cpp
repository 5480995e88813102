// SPDX-License-Identifier: Apache-2.0
#include "engine/observed_provider.hpp"

#include <string>
#include <utility>

namespace sandboxkit::engine {
namespace {

class ObservedProvider final : public Provider {
public:
    ObservedProvider(std::shared_ptr<Provider> inner, std::function<void(std::string_view)> on_step)
        : inner_(std::move(inner)), on_step_(std::move(on_step)) {}

    std::string name() const override { return inner_->name(); }
    Task<Capabilities> capabilities() override { return inner_->capabilities(); } // changes nothing: not a step
    Task<ImageInfo> prepare_image(ImageRequest r) override { return step("prepare_image", inner_->prepare_image(std::move(r))); }
    Task<ImageInfo> inspect_image(std::string id) override { return inner_->inspect_image(std::move(id)); }
    Task<std::vector<ImageInfo>> list_images() override { return inner_->list_images(); }
    Task<void> remove_image(std::string id) override { return step("remove_image", inner_->remove_image(std::move(id))); }
    Task<SandboxInfo> create(CreateRequest r) override { return step("create", inner_->create(std::move(r))); }
    Task<void> start(std::string id) override { return step("start", inner_->start(std::move(id))); }
    Task<void> stop(std::string id) override { return step("stop", inner_->stop(std::move(id))); }
    Task<void> destroy(std::string id) override { return step("destroy", inner_->destroy(std::move(id))); }
    Task<SandboxInfo> inspect(std::string id) override { return inner_->inspect(std::move(id)); }
    Task<std::vector<SandboxInfo>> list(std::map<std::string, std::string> labels) override {
        return inner_->list(std::move(labels));
    }
    Task<Endpoint> endpoint(std::string id) override { return inner_->endpoint(std::move(id)); }
    Task<CaptureResult> capture(std::string id, std::map<std::string, std::string> labels) override {
        return step("capture", inner_->capture(std::move(id), std::move(labels)));
    }
    Task<VolumeInfo> ensure_volume(std::string token, std::map<std::string, std::string> labels) override {
        return step("ensure_volume", inner_->ensure_volume(std::move(token), std::move(labels)));
    }
    Task<void> remove_volume(std::string id) override { return step("remove_volume", inner_->remove_volume(std::move(id))); }
    Task<std::vector<VolumeInfo>> list_volumes(std::map<std::string, std::string> labels) override {
        return inner_->list_volumes(std::move(labels));
    }

private:
    template <class T>
    Task<T> step(const char* name, Task<T> call) {
        const std::string base = std::string("provider.") + name;
        on_step_(base + ".before");
        auto result = co_await std::move(call);
        on_step_(base + ".after");
        co_return result;
    }

    std::shared_ptr<Provider> inner_;
    std::function<void(std::string_view)> on_step_;
};

} // namespace

std::shared_ptr<Provider> observe(std::shared_ptr<Provider> provider, std::function<void(std::string_view step)> on_step) {
    return std::make_shared<ObservedProvider>(std::move(provider), std::move(on_step));
}

} // namespace sandboxkit::engine
