// SPDX-License-Identifier: Apache-2.0
// Passes everything on to a good provider. Its children each do one thing wrong.
#pragma once

#include <sandboxkit/provider.hpp>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace sandboxkit::test {

class ForwardingProvider : public Provider {
public:
    explicit ForwardingProvider(std::shared_ptr<Provider> inner) : inner_(std::move(inner)) {}

    [[nodiscard]] std::string name() const override { return inner_->name(); }
    Task<Capabilities> capabilities() override { return inner_->capabilities(); }
    Task<ImageInfo> prepare_image(ImageRequest request) override { return inner_->prepare_image(std::move(request)); }
    Task<ImageInfo> inspect_image(std::string id) override { return inner_->inspect_image(std::move(id)); }
    Task<std::vector<ImageInfo>> list_images() override { return inner_->list_images(); }
    Task<void> remove_image(std::string id) override { return inner_->remove_image(std::move(id)); }
    Task<SandboxInfo> create(CreateRequest request) override { return inner_->create(std::move(request)); }
    Task<void> start(std::string id) override { return inner_->start(std::move(id)); }
    Task<void> stop(std::string id) override { return inner_->stop(std::move(id)); }
    Task<void> destroy(std::string id) override { return inner_->destroy(std::move(id)); }
    Task<SandboxInfo> inspect(std::string id) override { return inner_->inspect(std::move(id)); }
    Task<std::vector<SandboxInfo>> list(std::map<std::string, std::string> labels) override {
        return inner_->list(std::move(labels));
    }
    Task<Endpoint> endpoint(std::string id) override { return inner_->endpoint(std::move(id)); }
    Task<CaptureResult> capture(std::string id, std::map<std::string, std::string> labels) override {
        return inner_->capture(std::move(id), std::move(labels));
    }
    Task<VolumeInfo> ensure_volume(std::string token, std::map<std::string, std::string> labels) override {
        return inner_->ensure_volume(std::move(token), std::move(labels));
    }
    Task<void> remove_volume(std::string id) override { return inner_->remove_volume(std::move(id)); }
    Task<std::vector<VolumeInfo>> list_volumes(std::map<std::string, std::string> labels) override {
        return inner_->list_volumes(std::move(labels));
    }

protected:
    std::shared_ptr<Provider> inner_;
};

} // namespace sandboxkit::test
