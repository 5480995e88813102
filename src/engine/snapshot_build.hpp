// SPDX-License-Identifier: Apache-2.0
// One build of one version's snapshot: clone, prepare the image, run the setup script, capture.
#pragma once

#include "engine/context.hpp"
#include "engine/credential_lease.hpp"

#include <chrono>
#include <memory>
#include <string>

namespace sandboxkit::engine {

struct Built {
    ImageHandle image;
    Manifest manifest;
};

class SnapshotBuild {
public:
    // The context outlives the build; `recipe` is the version's.
    SnapshotBuild(Context& context, store::Job job, store::Version version, Recipe recipe);

    // The steps in order, then what they left is cleaned up, also after an error or a cancellation. On an error `phase()`
    // tells where.
    Task<Built> run();
    // An image that nobody recorded.
    Task<void> discard(ImageHandle image);

    [[nodiscard]] BuildPhase phase() const noexcept { return phase_; }

private:
    Task<Built> build();
    // Destroys the one-off sandbox, the intermediate image and the checkouts. Errors are left to reconciliation.
    Task<void> clean_up();
    Task<void> enter(BuildPhase phase);
    Task<void> clone_repositories();
    Task<void> evict_mirrors();
    // Gives back the credential that the pull of the base image used, if any. Not while the build is being cancelled.
    Task<void> end_pull();
    Task<void> run_setup_script();
    Task<void> follow_script(envd::Client& client, std::vector<std::string> argv, std::string cwd);
    Task<void> flush_log();
    void tell(Progress progress);

    Context& context_;
    store::Job job_;
    store::Version version_;
    Recipe recipe_;
    std::shared_ptr<Provider> provider_;
    // Names the sandbox and the checkouts. A retry makes its own: those before may be half used, or their engine, which
    // somebody thought dead, may still be at work on them.
    std::string attempt_;
    std::filesystem::path staging_;
    std::map<std::string, std::string> labels_;
    BuildPhase phase_ = BuildPhase::queued;
    std::vector<ImageTree> trees_;
    Manifest manifest_;
    std::unique_ptr<CredentialLease> pull_;
    bool pull_refused_ = false;
    std::string base_image_; // the intermediate image: base and checkouts
    std::string sandbox_;
    std::string pending_log_;
    std::string script_tail_; // the last of the script's output, for the error
    bool log_waits_ = false;  // for space on the disk
    std::chrono::steady_clock::time_point last_flush_{};
};

} // namespace sandboxkit::engine
