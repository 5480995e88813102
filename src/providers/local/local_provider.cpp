// SPDX-License-Identifier: Apache-2.0
#include "providers/local/local_provider.hpp"

#include "providers/local/host_survey.hpp"
#include "providers/local/sandboxes.hpp"

#include <utility>

namespace sandboxkit::local {
namespace {

using async::blocking;

// Every operation is blocking work on the pool. The work holds the sandboxes alive, not the provider.
class LocalProvider final : public Provider {
public:
    LocalProvider(std::shared_ptr<const Sandboxes> sandboxes, async::Pool& pool)
        : sandboxes_(std::move(sandboxes)), pool_(pool) {}

    [[nodiscard]] std::string name() const override { return "local"; }

    Task<Capabilities> capabilities() override { co_return sandboxes_->capabilities(); }

    Task<ImageInfo> prepare_image(ImageRequest request) override {
        return blocking(pool_, [all = sandboxes_, request = std::move(request)](std::stop_token stop) {
            return all->images().prepare(request, stop);
        });
    }
    Task<ImageInfo> inspect_image(std::string image_id) override {
        return blocking(pool_,
                        [all = sandboxes_, id = std::move(image_id)](std::stop_token) { return all->images().inspect(id); });
    }
    Task<std::vector<ImageInfo>> list_images() override {
        return blocking(pool_, [all = sandboxes_](std::stop_token) { return all->images().list(); });
    }
    Task<void> remove_image(std::string image_id) override {
        return blocking(pool_, [all = sandboxes_, id = std::move(image_id)](std::stop_token) { return all->remove_image(id); });
    }

    Task<SandboxInfo> create(CreateRequest request) override {
        return blocking(pool_,
                        [all = sandboxes_, request = std::move(request)](std::stop_token) { return all->create(request); });
    }
    Task<void> start(std::string sandbox_id) override {
        return blocking(pool_,
                        [all = sandboxes_, id = std::move(sandbox_id)](std::stop_token stop) { return all->start(id, stop); });
    }
    Task<void> stop(std::string sandbox_id) override {
        return blocking(pool_,
                        [all = sandboxes_, id = std::move(sandbox_id)](std::stop_token stop) { return all->stop(id, stop); });
    }
    Task<void> destroy(std::string sandbox_id) override {
        return blocking(pool_,
                        [all = sandboxes_, id = std::move(sandbox_id)](std::stop_token stop) { return all->destroy(id, stop); });
    }
    Task<SandboxInfo> inspect(std::string sandbox_id) override {
        return blocking(pool_, [all = sandboxes_, id = std::move(sandbox_id)](std::stop_token) { return all->inspect(id); });
    }
    Task<std::vector<SandboxInfo>> list(std::map<std::string, std::string> labels) override {
        return blocking(pool_,
                        [all = sandboxes_, labels = std::move(labels)](std::stop_token stop) { return all->list(labels, stop); });
    }
    Task<Endpoint> endpoint(std::string sandbox_id) override {
        return blocking(pool_, [all = sandboxes_, id = std::move(sandbox_id)](std::stop_token) { return all->endpoint(id); });
    }
    Task<CaptureResult> capture(std::string sandbox_id, std::map<std::string, std::string> labels) override {
        return blocking(pool_, [all = sandboxes_, id = std::move(sandbox_id), labels = std::move(labels)](std::stop_token stop) {
            return all->capture(id, labels, stop);
        });
    }

private:
    std::shared_ptr<const Sandboxes> sandboxes_;
    async::Pool& pool_;
};

} // namespace

Result<std::shared_ptr<Provider>> make_local_provider(LocalOptions options, async::Pool& pool) {
    auto root = check_root();
    if (!root) return root.error();
    auto state = StateDirectory::open(options.state_directory);
    if (!state) return state.error();
    auto host = survey_host(options, *state);
    if (!host) return host.error();
    auto images = ImageStore::open(state->images());
    if (!images) return images.error();
    auto sandboxes = std::make_shared<const Sandboxes>(std::move(*state), std::move(*images), std::move(*host));
    auto clean = sandboxes->remove_leftovers({});
    if (!clean) return clean.error();
    return std::shared_ptr<Provider>(std::make_shared<LocalProvider>(std::move(sandboxes), pool));
}

} // namespace sandboxkit::local
