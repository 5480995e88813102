// SPDX-License-Identifier: Apache-2.0
#include "providers/docker/stream_frames.hpp"

#include "providers/docker/daemon_json.hpp"

#include <algorithm>

namespace sandboxkit::docker {

namespace {

constexpr std::size_t head_size = 8;
constexpr unsigned char standard_output = 1, standard_error = 2;

} // namespace

Result<void> FrameDecoder::feed(std::string_view bytes, std::string& output) {
    while (!bytes.empty()) {
        if (left_ == 0) {
            const std::size_t taken = std::min(head_size - head_.size(), bytes.size());
            head_.append(bytes.substr(0, taken));
            bytes.remove_prefix(taken);
            if (head_.size() < head_size) return {};
            output_ = static_cast<unsigned char>(head_[0]);
            if ((output_ != standard_output && output_ != standard_error) || head_[1] != 0 || head_[2] != 0 || head_[3] != 0)
                return protocol_error("the Docker daemon sent a frame that is none of an attached stream");
            for (std::size_t i = 4; i < head_size; ++i) left_ = left_ << 8 | static_cast<unsigned char>(head_[i]);
            head_.clear();
            continue;
        }
        const std::string_view piece = bytes.substr(0, left_);
        bytes.remove_prefix(piece.size());
        left_ -= static_cast<std::uint32_t>(piece.size());
        if (output_ == standard_output)
            output.append(piece);
        else
            errors_.append(piece.substr(0, errors_limit - errors_.size()));
    }
    return {};
}

} // namespace sandboxkit::docker
