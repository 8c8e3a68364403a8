#include "sim/farm_trace.h"

namespace aloft::sim {

std::string_view news_words(controller::News news) {
  using controller::News;
  switch (news) {
    case News::ControllerTaken:
      return "takes the role";
    case News::HostSilent:
      return "does not hear a host";
    case News::HostLost:
      return "a host is lost";
    case News::HostBack:
      return "hears a host again";
    case News::TakeOver:
      return "gives a guest of a lost host a new owner";
    case News::Placed:
      return "gives a guest an owner";
    case News::NoRoom:
      return "has no host for a guest";
    case News::OwnerCutOff:
      return "leaves a guest alone, its grantors hear its owner";
    case News::NoGrantorLeft:
      return "cannot show that a guest's owner has stopped, waits for a host";
    case News::Drained:
      return "moves a guest away from a host in maintenance";
    case News::ReplicaReplaced:
      return "gives a lost host's replica to another";
    case News::BmcOff:
      return "a BMC has switched a host off";
    case News::BmcFailed:
      return "a BMC has not answered";
  }
  return "";
}

}  // namespace aloft::sim
