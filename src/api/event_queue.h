// The events on their way to one client: filled by watches, emptied by the connection.
#pragma once

#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <utility>

#include "api/http.h"
#include "api/limits.h"

namespace aloft::api {

// Thread-safe. A client that falls behind by kMaxStreamBacklog events is cut off: it comes back
// with Last-Event-ID and goes on.
class EventQueue final : public EventSink {
 public:
  // `wake` is called after each event, from the thread that sent it.
  explicit EventQueue(std::function<void()> wake) : wake_(std::move(wake)) {}

  void send(std::string event) override {
    {
      const std::lock_guard lock(mutex_);
      if (closed_) return;
      if (count_ >= kMaxStreamBacklog) {
        closed_ = true;
      } else {
        ++count_;
        text_ += event;
        text_ += '\n';
      }
    }
    wake_();
  }
  void close() override {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    wake_();
  }

  // Everything sent since the last call, and whether the stream has ended.
  std::pair<std::string, bool> take() {
    const std::lock_guard lock(mutex_);
    count_ = 0;
    return {std::exchange(text_, {}), closed_};
  }

 private:
  std::function<void()> wake_;
  std::mutex mutex_;
  std::string text_;
  std::size_t count_ = 0;
  bool closed_ = false;
};

}  // namespace aloft::api
