// SPDX-License-Identifier: Apache-2.0
// A provider that the host application is: each operation is a question on its queue, and the coroutine that awaits it goes on
// when that is answered. No thread waits meanwhile.
#pragma once

#include "host.hpp"

#include <sandboxkit/provider.hpp>

#include <boost/json/object.hpp>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxkit::capi {

class HostProvider final : public Provider {
public:
    // `patience`: how long a cancelled operation still waits for its answer, which decides what there is of it.
    HostProvider(std::shared_ptr<Host> host, std::string name, std::chrono::milliseconds patience = std::chrono::seconds(5))
        : host_(std::move(host)), name_(std::move(name)), patience_(patience) {}

    std::string name() const override { return name_; }
    Task<Capabilities> capabilities() override;
    Task<ImageInfo> prepare_image(ImageRequest request) override;
    Task<ImageInfo> inspect_image(std::string image_id) override;
    Task<std::vector<ImageInfo>> list_images() override;
    Task<void> remove_image(std::string image_id) override;
    Task<SandboxInfo> create(CreateRequest request) override;
    Task<void> start(std::string sandbox_id) override;
    Task<void> stop(std::string sandbox_id) override;
    Task<void> destroy(std::string sandbox_id) override;
    Task<SandboxInfo> inspect(std::string sandbox_id) override;
    Task<std::vector<SandboxInfo>> list(std::map<std::string, std::string> labels) override;
    Task<Endpoint> endpoint(std::string sandbox_id) override;
    Task<CaptureResult> capture(std::string sandbox_id, std::map<std::string, std::string> labels) override;
    Task<VolumeInfo> ensure_volume(std::string token, std::map<std::string, std::string> labels) override;
    Task<void> remove_volume(std::string volume_id) override;
    Task<std::vector<VolumeInfo>> list_volumes(std::map<std::string, std::string> labels) override;

private:
    template <class T>
    Task<T> ask(std::string_view operation, boost::json::object arguments);
    // Until the question has ended.
    Task<void> exchange(boost::json::object question, std::shared_ptr<HostRequest> request);

    const std::shared_ptr<Host> host_;
    const std::string name_;
    const std::chrono::milliseconds patience_;
};

} // namespace sandboxkit::capi
