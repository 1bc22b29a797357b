# A classic file with another name.
path pre_shared_key "/etc/racoon/psk.txt";
log info;

remote 192.0.2.1 {
	exchange_mode main;
	my_identifier fqdn "gw.example";
	lifetime time 8 hour;
	proposal {
		encryption_algorithm aes 256;
		hash_algorithm sha256;
	}
}

sainfo anonymous {
	pfs_group 14;
	encryption_algorithm aes, 3des;
}
