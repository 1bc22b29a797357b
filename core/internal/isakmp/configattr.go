package isakmp

// Attribute classes of a Config: draft-dukes-ike-mode-cfg-02 §3.4,
// draft-beaulieu-ike-xauth-02 §6.1 and Cisco's Unity.
const (
	CfgIP4Address         = 1
	CfgIP4Netmask         = 2
	CfgIP4DNS             = 3
	CfgIP4NBNS            = 4
	CfgAddressExpiry      = 5 // seconds
	CfgIP4DHCP            = 6
	CfgApplicationVersion = 7
	CfgIP6Address         = 8
	CfgIP6Netmask         = 9
	CfgIP6DNS             = 10
	CfgIP6NBNS            = 11
	CfgIP6DHCP            = 12
	CfgIP4Subnet          = 13
	CfgSupportedAttrs     = 14
	CfgIP6Subnet          = 15

	CfgXAuthType         = 16520
	CfgXAuthUserName     = 16521
	CfgXAuthUserPassword = 16522
	CfgXAuthPasscode     = 16523
	CfgXAuthMessage      = 16524
	CfgXAuthChallenge    = 16525
	CfgXAuthDomain       = 16526
	CfgXAuthStatus       = 16527
	CfgXAuthNextPIN      = 16528
	CfgXAuthAnswer       = 16529

	CfgUnityBanner        = 28672
	CfgUnitySavePassword  = 28673
	CfgUnityDefDomain     = 28674
	CfgUnitySplitDNS      = 28675
	CfgUnitySplitInclude  = 28676
	CfgUnityNATTPort      = 28677
	CfgUnityLocalLAN      = 28678
	CfgUnityPFS           = 28679
	CfgUnityFWType        = 28680
	CfgUnityBackupServers = 28681
	CfgUnityDDNSHostname  = 28682
)

// ConfigAttrs is the table of the classes of a Config.
var ConfigAttrs = Names{
	{CfgIP4Address, "INTERNAL_IP4_ADDRESS"}, {CfgIP4Netmask, "INTERNAL_IP4_NETMASK"}, {CfgIP4DNS, "INTERNAL_IP4_DNS"},
	{CfgIP4NBNS, "INTERNAL_IP4_NBNS"}, {CfgAddressExpiry, "INTERNAL_ADDRESS_EXPIRY"}, {CfgIP4DHCP, "INTERNAL_IP4_DHCP"},
	{CfgApplicationVersion, "APPLICATION_VERSION"}, {CfgIP6Address, "INTERNAL_IP6_ADDRESS"},
	{CfgIP6Netmask, "INTERNAL_IP6_NETMASK"}, {CfgIP6DNS, "INTERNAL_IP6_DNS"}, {CfgIP6NBNS, "INTERNAL_IP6_NBNS"},
	{CfgIP6DHCP, "INTERNAL_IP6_DHCP"}, {CfgIP4Subnet, "INTERNAL_IP4_SUBNET"}, {CfgSupportedAttrs, "SUPPORTED_ATTRIBUTES"},
	{CfgIP6Subnet, "INTERNAL_IP6_SUBNET"},
	{CfgXAuthType, "XAUTH_TYPE"}, {CfgXAuthUserName, "XAUTH_USER_NAME"}, {CfgXAuthUserPassword, "XAUTH_USER_PASSWORD"},
	{CfgXAuthPasscode, "XAUTH_PASSCODE"}, {CfgXAuthMessage, "XAUTH_MESSAGE"}, {CfgXAuthChallenge, "XAUTH_CHALLENGE"},
	{CfgXAuthDomain, "XAUTH_DOMAIN"}, {CfgXAuthStatus, "XAUTH_STATUS"}, {CfgXAuthNextPIN, "XAUTH_NEXT_PIN"},
	{CfgXAuthAnswer, "XAUTH_ANSWER"},
	{CfgUnityBanner, "UNITY_BANNER"}, {CfgUnitySavePassword, "UNITY_SAVE_PASSWD"}, {CfgUnityDefDomain, "UNITY_DEF_DOMAIN"},
	{CfgUnitySplitDNS, "UNITY_SPLITDNS_NAME"}, {CfgUnitySplitInclude, "UNITY_SPLIT_INCLUDE"},
	{CfgUnityNATTPort, "UNITY_NATT_PORT"}, {CfgUnityLocalLAN, "UNITY_LOCAL_LAN"}, {CfgUnityPFS, "UNITY_PFS"},
	{CfgUnityFWType, "UNITY_FW_TYPE"}, {CfgUnityBackupServers, "UNITY_BACKUP_SERVERS"},
	{CfgUnityDDNSHostname, "UNITY_DDNS_HOSTNAME"},
}
