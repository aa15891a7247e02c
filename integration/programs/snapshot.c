// snapshot OF FOLDER NAME: makes FOLDER/NAME a snapshot of the btrfs subvolume OF. With `-` as OF it makes an
// empty subvolume.
#include <fcntl.h>
#include <linux/btrfs.h>
#include <sys/ioctl.h>

#include "probe.h"

int main(int argc, char** argv) {
  if (argc != 4) usage("OF FOLDER NAME");
  const int empty = strcmp(argv[1], "-") == 0;
  const int of = empty ? -1 : open(argv[1], O_RDONLY | O_DIRECTORY);
  const int folder = open(argv[2], O_RDONLY | O_DIRECTORY);
  if (folder < 0 || (!empty && of < 0)) broken("open");
  struct btrfs_ioctl_vol_args request = {.fd = of};
  strncpy(request.name, argv[3], sizeof request.name - 1);
  return report("ioctl", ioctl(folder, empty ? BTRFS_IOC_SUBVOL_CREATE : BTRFS_IOC_SNAP_CREATE, &request));
}
