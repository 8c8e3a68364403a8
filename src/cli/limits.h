// The named maxima and times of the command line.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace aloft::cli {

constexpr std::size_t kMaxWordBytes = 64U << 10U;  // one argument
constexpr std::size_t kMaxWords = 4096;
constexpr std::size_t kMaxFileBytes = 1U << 20U;      // profile, token, cloud-init, edited object
constexpr std::size_t kMaxAnswerBytes = 256U << 20U;  // body of an answer
constexpr std::size_t kMaxHeaderBytes = 64U << 10U;
constexpr std::size_t kMaxStreamEventBytes = 8U << 20U;
constexpr std::uint64_t kPage = 5000;  // objects of a list read at one time: the API's maximum
constexpr int kTries = 3;              // of a request that may safely be sent again

constexpr std::chrono::seconds kConnectTimeout{10};
constexpr std::chrono::seconds kRequestTimeout{90};  // exec answers after up to 60 s
constexpr std::chrono::milliseconds kReconnectPause{400};
constexpr std::chrono::minutes kDefaultWait{10};
constexpr std::chrono::milliseconds kRedraw{100};  // of progress bars

}  // namespace aloft::cli
