// Ctrl-C as a descriptor: while one lives, SIGINT makes `descriptor` readable instead of ending the
// program. One at a time.
#pragma once

namespace aloft::cli {

class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  // -1 when the system gave none: SIGINT then ends the program as always.
  [[nodiscard]] int descriptor() const { return descriptor_; }

 private:
  int descriptor_ = -1;
};

}  // namespace aloft::cli
