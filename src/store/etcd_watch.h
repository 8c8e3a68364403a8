// One watch on etcd: a thread that reads the stream and resumes it after every break. Internal to
// the store room.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "store/etcd_channel.h"
#include "store/store.h"

namespace aloft::store {

class EtcdWatch : public Watch {
 public:
  // Gives every change of keys in [begin, end) after `after`; `prefix_size` bytes are taken off the
  // front of each key. `channel` outlives the watch by shared ownership.
  EtcdWatch(std::shared_ptr<EtcdChannel> channel, std::string begin, std::string end,
            std::size_t prefix_size, Revision after, WatchHandler handler);
  ~EtcdWatch() override;
  EtcdWatch(const EtcdWatch&) = delete;
  EtcdWatch& operator=(const EtcdWatch&) = delete;

 private:
  enum class Outcome { Again, Ended };

  void run();
  Outcome read_stream(EtcdEndpoint& endpoint);
  Outcome take(const etcdserverpb::WatchResponse& response);
  // Waits, but not for a watch that is being destroyed.
  void pause(Duration time);

  std::shared_ptr<EtcdChannel> channel_;
  std::string begin_;
  std::string end_;
  std::size_t prefix_size_;
  std::int64_t next_revision_;
  WatchHandler handler_;

  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
  grpc::ClientContext* context_ = nullptr;  // of the stream being read, to break it off
  std::thread thread_;
};

}  // namespace aloft::store
